import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppliedChange, StoredObject } from '../ports.ts';
import { forgetGoneDevices } from './gone-devices.ts';
import { createSessionBook } from './session-book.ts';

const device = (keyHash: string, more: Partial<StoredObject> = {}): StoredObject => ({
  ...{ kind: 'Device', name: 'tc-1', uid: 'tc-1', generation: 1, body: {}, system: { keyHash }, deleted: false },
  ...more,
});

const SESSION = {
  ...{ deviceId: 'tc-1', device: 'tc-1', userId: 'u', user: 'alice', loginId: 'l', mode: 'online' as const },
  ...{ sinceMs: 0, server: 'primary' },
};

function make() {
  let held: StoredObject | undefined;
  const listeners: ((change: AppliedChange) => void)[] = [];
  const book = createSessionBook({
    name: 'secondary',
    clock: { monotonicMs: () => 0 },
    isConnected: () => false,
    isEnded: () => false,
  });
  const replica = {
    findByUid: () => held,
    onApplied(listener: (change: AppliedChange) => void) {
      listeners.push(listener);
      return () => {};
    },
  };
  forgetGoneDevices(replica, book);
  return {
    book,
    hears: () => book.told('primary', [SESSION], [], false),
    applies(object: StoredObject) {
      held = object;
      const version = { epoch: 1, generation: 2 };
      for (const listener of listeners) listener({ version, full: false, objects: [object] } as AppliedChange);
    },
    works: () => book.all().length === 1,
  };
}

test('who is told to work on a device that has not reached this server yet, works there when it does', () => {
  const { hears, applies, works } = make();
  hears();
  applies(device('a-key'));
  assert.equal(works(), true);
  applies(device('a-key', { body: { group: 'ward' } }));
  assert.equal(works(), true);
  applies(device('another-key'));
  assert.equal(works(), false, 'another machine has taken its place');
});

test('who is told to work on a device that reaches this server as one that is gone, works nowhere', () => {
  for (const gone of [device('a-key', { deleted: true }), device('a-key', { body: { revoked: true } })]) {
    const { hears, applies, works } = make();
    hears();
    applies(gone);
    assert.equal(works(), false);
  }
});
