import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { LOCAL_PATHS, LoginResult } from '@thinman/protocol';
import type { Agent } from '../../support/agent-commands.ts';
import { asPromised } from '../../support/contract.ts';

type User = { readonly name: string; readonly password: string };

/** A login as a greeter or PAM sees it. */
export type TimedLogin = { readonly answer: LoginResult; readonly ms: number };

/** Over the agent's socket, without the start of a command: from the question to the whole answer. */
export async function logIn(agent: Agent, { name, password }: User): Promise<TimedLogin> {
  const body = JSON.stringify({ user: name, password });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const call = { socketPath: join(agent.data, 'control.sock'), path: LOCAL_PATHS.login, method: 'POST', headers };
  const startedMs = performance.now();
  const printed = await new Promise<string>((resolve, reject) => {
    request({ ...call, agent: false }, response => text(response).then(resolve, reject))
      .on('error', reject)
      .end(body);
  });
  const ms = performance.now() - startedMs;
  return { answer: asPromised(LoginResult, printed), ms };
}

/** The same; throws unless it is granted in this way: `online by primary`. */
export async function loginMs(agent: Agent, user: User, expected: string): Promise<number> {
  const { answer, ms } = await logIn(agent, user);
  const { verdict, mode, server, reason } = answer;
  const words = `${verdict} ${reason ?? mode}${server === null ? '' : ` by ${server}`}`;
  if (words !== `granted ${expected}`) throw new Error(`"${words}" in place of "granted ${expected}"`);
  return ms;
}
