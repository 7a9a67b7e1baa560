import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoginResult, RecordedEvent } from '@thinman/protocol';
import type { DeviceHistory, SeenLogin } from './agent-commands.ts';
import { brokenInvariants } from './invariants.ts';

const ID = '01890000-0000-7000-8000-000000000001';

function answer(more: Partial<LoginResult> = {}): LoginResult {
  const granted = { verdict: 'granted', reason: null, mode: 'online', server: 'primary', user: 'alice' } as const;
  return { ...granted, epoch: 1, generation: 7, elapsedMs: 200, ...more };
}

function login(given: LoginResult | undefined = answer()): SeenLogin {
  return {
    device: 'tc-1',
    user: 'alice',
    answer: given,
    code: given === undefined ? 3 : 0,
    stderr: '',
    elapsedMs: 300,
  };
}

const unanswered: SeenLogin = { ...login(), answer: undefined, code: 3 };

function loginEvent(more: Partial<RecordedEvent> = {}): RecordedEvent {
  return {
    ...{ id: ID, type: 'login', at: 1000, user: 'alice', origin: 'device:tc-1', takenBy: 'primary', takenAt: 1000 },
    data: { verdict: 'granted', reason: null, mode: 'online', server: 'primary', subject: { epoch: 1, generation: 5 } },
    ...more,
  };
}

const answered: RecordedEvent = {
  ...{ id: ID.replace('7000', '5000'), type: 'login.answered', at: 1000, user: 'alice', origin: 'server:primary' },
  ...{ takenBy: 'primary', takenAt: 1000, data: { loginId: ID, verdict: 'granted', reason: null } },
};

const history = (logins: SeenLogin[], versions: DeviceHistory['versions'] = []): DeviceHistory => ({
  logins,
  versions,
});

test('a login with its two events is right', () => {
  assert.deepEqual(brokenInvariants(history([login()]), [loginEvent(), answered]), []);
});

test('a login without its event is found', () => {
  const [broken, ...more] = brokenInvariants(history([login(), login()]), [loginEvent(), answered]);
  assert.match(broken ?? '', /has no event: alice on tc-1: granted/);
  assert.deepEqual(more, []);
});

test('an event that says something else than the person saw is found', () => {
  const broken = brokenInvariants(history([login(answer({ mode: 'offline', server: null }))]), [
    loginEvent(),
    answered,
  ]);
  assert.equal(broken.length, 2);
});

test('an event that is stored twice is found', () => {
  const twice = [loginEvent(), loginEvent(), answered];
  assert.match(brokenInvariants(history([login(), login()]), twice).join(), /more than once: login/);
});

test('two answers of one server to one login are found', () => {
  const other = { ...answered, id: ID.replace('7000', '4000') };
  assert.match(
    brokenInvariants(history([login()]), [loginEvent(), answered, other]).join(),
    /answer of server:primary/,
  );
});

test('a login nobody saw the end of may be recorded or not, but not twice', () => {
  assert.deepEqual(brokenInvariants(history([unanswered]), []), []);
  assert.deepEqual(brokenInvariants(history([unanswered]), [loginEvent(), answered]), []);
  const second = loginEvent({ id: ID.replace('0001', '0002'), data: { ...loginEvent().data, mode: 'offline' } });
  assert.match(brokenInvariants(history([unanswered]), [loginEvent(), second, answered]).join(), /never answered/);
});

test('an answer that its server has not recorded is found', () => {
  assert.match(brokenInvariants(history([login()]), [loginEvent()]).join(), /has not recorded it/);
});

test('an answer that rests on an older word than an earlier one is found', () => {
  const id = ID.replace('0001', '0002');
  const older = loginEvent({ id, at: 2000, data: { ...loginEvent().data, subject: { epoch: 1, generation: 4 } } });
  const events = [loginEvent(), answered, older, { ...answered, id, data: { ...answered.data, loginId: id } }];
  assert.match(brokenInvariants(history([login(), login()]), events).join(), /an older word/);
});

test('a device that goes back in generation is found', () => {
  const versions = [7, 8, 7].map(generation => ({ device: 'tc-1', version: { epoch: 1, generation } }));
  assert.deepEqual(brokenInvariants(history([], versions), []), ['tc-1 went back from 1.8 to 1.7']);
  assert.deepEqual(brokenInvariants(history([], versions.slice(0, 2)), []), []);
});
