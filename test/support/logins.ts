import assert from 'node:assert/strict';
import type { LoginResult, RecordedEvent } from '@thinman/protocol';
import type { Agent, SeenLogin } from './agent-commands.ts';

/** The whole online attempt, then the device decides by itself (failover.md, "The agent"). */
export const LOGIN_DEADLINE_MS = 4_000;
/** What the decision itself may take after that on a busy machine: one Argon2id of 64 MiB. */
export const DECISION_MS = 1_000;

type User = { readonly name: string; readonly password: string };

/** What a person is told, in a few words: `granted online by primary`, `denied credentials_invalid offline`. */
export function inWords({ answer, code, stderr }: SeenLogin): string {
  if (answer === undefined) return `no answer: exit code ${code}, ${stderr.trim()}`;
  const { verdict, reason, mode, server } = answer;
  return [verdict, reason, mode, server === null ? undefined : `by ${server}`].filter(Boolean).join(' ');
}

/** Logs in, expects this to be the outcome (in words), within the deadline of every login. */
export async function expectLogin(agent: Agent, user: User, expected: string | RegExp): Promise<LoginResult> {
  const result = await agent.login(user.name, user.password);
  const words = inWords(result);
  if (typeof expected === 'string') assert.equal(words, expected, `${user.name} on ${agent.name}`);
  else assert.match(words, expected, `${user.name} on ${agent.name}`);
  assert.ok(result.answer !== undefined);
  assert.equal(result.code, result.answer.verdict === 'granted' ? 0 : 1);
  assert.equal(result.answer.user, user.name);
  const { elapsedMs } = result.answer;
  assert.ok(elapsedMs <= LOGIN_DEADLINE_MS + DECISION_MS, `${user.name} waited ${elapsedMs} ms on ${agent.name}`);
  return result.answer;
}

/** One login as the site recorded it: the device's event, and which servers answered it what, in order of time. */
export type RecordedLogin = { readonly event: RecordedEvent; readonly answers: readonly string[] };

/** The logins of a device, oldest first. */
export function recordedLogins(events: readonly RecordedEvent[], agent: Agent): RecordedLogin[] {
  return events
    .filter(({ type, origin }) => type === 'login' && origin === `device:${agent.name}`)
    .toSorted((a, b) => a.at - b.at)
    .map(event => ({
      event,
      answers: events
        .filter(({ type, data }) => type === 'login.answered' && data.loginId === event.id)
        .map(({ origin, data }) => `${origin.replace('server:', '')}: ${data.verdict} ${data.reason ?? ''}`.trim()),
    }));
}
