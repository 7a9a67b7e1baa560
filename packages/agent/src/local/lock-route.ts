import type { ServerResponse } from 'node:http';
import type { LocalLockAnswer } from '@thinman/protocol';
import { sendJson } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';

/** `POST /v1/lock`. Where there is nothing to lock it is no failure: hooks ask whenever a lid is closed. */
export function lockRoute(agent: Pick<LocalAgent, 'lock' | 'status'>, response: ServerResponse): void {
  const { session } = agent.status();
  agent.lock();
  const why = session === null ? 'nobody' : session.autologin === true ? 'kiosk' : undefined;
  const answer: LocalLockAnswer = why === undefined ? { locked: true } : { locked: false, why };
  sendJson(response, answer);
}
