import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerRole } from '@thinman/protocol';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { createEventRoute } from './event-route.ts';

describe('the way of events', () => {
  const noLink = () => assert.fail('no link is needed');

  it('of a Primary ends in its database', async () => {
    const stored: string[] = [];
    const store = async (events: readonly { readonly id: string }[]) => void stored.push(...events.map(({ id }) => id));
    const route = createEventRoute(() => 'primary', store, noLink);
    const event = recordedEvent();
    assert.equal(await route.deliver([event]), 'stored');
    assert.deepEqual(stored, [event.id]);
  });

  it('is not at its end where another one was promoted while the old database took them', async () => {
    let role: ServerRole = 'primary';
    const answered = Promise.withResolvers<void>();
    const route = createEventRoute(
      () => role,
      () => answered.promise,
      noLink,
    );
    const delivery = route.deliver([recordedEvent()]);
    role = 'secondary';
    answered.resolve();
    assert.equal(await delivery, 'later');
  });
});
