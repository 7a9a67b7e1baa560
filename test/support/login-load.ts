import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent, SeenLogin } from './agent-commands.ts';
import { DECISION_MS, inWords, LOGIN_DEADLINE_MS } from './logins.ts';

/** A pause between two logins of one person: two cores do other things as well. */
const PAUSE_MS = 150;

/** One person on one device, who logs in again and again while things fail. */
export type LoginLoad = {
  /** Ends it; gives every login that it made. All were granted, each within the deadline of every login. */
  endAllGranted(): Promise<readonly SeenLogin[]>;
};

export function startLogins(agent: Agent, user: { readonly name: string; readonly password: string }): LoginLoad {
  const made: SeenLogin[] = [];
  let over = false;
  const ended = (async () => {
    while (!over) {
      made.push(await agent.login(user.name, user.password));
      // Not a wait for something: a person does something else in between.
      await delay(PAUSE_MS);
    }
  })();
  return {
    async endAllGranted() {
      over = true;
      await ended;
      const failed = made.filter(({ answer }) => answer?.verdict !== 'granted').map(inWords);
      assert.deepEqual(failed, [], `of ${made.length} logins`);
      const slow = made.filter(({ answer }) => (answer?.elapsedMs ?? 0) > LOGIN_DEADLINE_MS + DECISION_MS);
      assert.deepEqual(slow.map(inWords), []);
      assert.ok(made.length > 0);
      return made;
    },
  };
}
