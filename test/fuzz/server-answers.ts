import { randomUUID } from 'node:crypto';
import { ERRORS } from '@thinman/protocol';
import fc, { type Arbitrary } from 'fast-check';
import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import { createServerClient } from '../../packages/agent/src/adapters/http-client.ts';
import type { Answer, ServerClient } from '../../packages/agent/src/ports.ts';
import { deviceIdentity, httpsLab } from '../support/tls-lab.ts';
import { createTrust } from '../support/trust.ts';
import { ANSWERS } from './hostile-server.ts';
import type { Target } from './target.ts';
import { bodiesOf, HOSTILE } from './values.ts';

type Call = Exclude<keyof ServerClient, 'reset' | 'close' | 'roundTripMs'>;
type Reply = {
  readonly call: Call;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** How much of it comes before the connection is cut; undefined: all, and it is not. */
  readonly cutAt: number | undefined;
};

const NOT_MODIFIED = 304;
const STATUSES = [200, 200, 200, 200, 206, 301, NOT_MODIFIED, 401, 403, 409, 500, 503, 599];
const headers: Arbitrary<Record<string, string>> = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'text/html', 'application/problem+json'),
    'content-encoding': fc.constantFrom('gzip', 'br', 'identity'),
    'thinman-version': fc.constantFrom('1.1', '0.0', '-1.1', '1', '9'.repeat(40), 'x'),
    etag: fc.constantFrom('"a"', 'a', ''),
    location: fc.constant('http://127.0.0.1:1/'),
    'retry-after': fc.constantFrom('1', '-1', 'x'),
  },
  { requiredKeys: [] },
);
const problemBodies = fc
  .constantFrom(...Object.keys(ERRORS))
  .map(code => JSON.stringify({ type: 'x', title: 'x', status: 400, code, subject: { epoch: -1, generation: 0.5 } }));
const hostileBodies = fc.constantFrom(...HOSTILE.map(value => JSON.stringify(value) ?? ''), '<html>', '', 'null');

function repliesTo(call: Call): Arbitrary<Reply> {
  const bodies = bodiesOf(call === 'renew' ? undefined : ANSWERS[call]);
  return fc.record({
    call: fc.constant(call),
    status: fc.constantFrom(...STATUSES),
    headers,
    body: fc.oneof({ weight: 4, arbitrary: bodies }, problemBodies, hostileBodies),
    cutAt: fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(200) }),
  });
}

const CALLS: readonly Call[] = [...(Object.keys(ANSWERS) as (keyof typeof ANSWERS)[]), 'renew'];
const KINDS: readonly string[] = ['ok', 'problem', 'failed'];

/** What comes back from a server over the wire: the device's client makes a value of it, and never throws. */
export function serverAnswers(): Target<Reply> {
  return {
    name: 'server-answers',
    onTop: 1,
    inputs: fc.oneof(...CALLS.map(repliesTo)),
    async open() {
      const trust = await createTrust();
      let reply: Reply | undefined;
      const lab = await httpsLab(trust, await trust.server({}), (_request, response) => {
        if (reply === undefined) return;
        const { status, headers: told, cutAt } = reply;
        const body = status === NOT_MODIFIED ? '' : reply.body;
        response.writeHead(status, { ...told, 'content-length': Buffer.byteLength(body) });
        if (cutAt === undefined) response.end(body);
        else response.write(body.slice(0, cutAt), () => response.destroy());
      });
      const identity = await deviceIdentity(trust);
      const client = createServerClient({ clock: systemClock, identity: () => identity });
      const { server } = lab;
      const { signal } = new AbortController();
      const ask: { readonly [C in Call]: () => Promise<Answer<unknown>> } = {
        changePassword: () => {
          const passwords = { password: 'old', newPassword: 'new' };
          const request = { method: 'password', changeId: randomUUID(), user: 'alice', ...passwords } as const;
          return client.changePassword(server, request, undefined, signal);
        },
        readyz: () => client.readyz(server, signal),
        begin: () => client.begin(server, 'alice', signal),
        login: () => {
          const kdf = { algorithm: 'argon2id', memoryKib: 19_456, passes: 2, lanes: 1 } as const;
          const request = {
            method: 'derived',
            loginId: randomUUID(),
            user: 'alice',
            salt: 'AA',
            kdf,
            proof: 'AA',
          } as const;
          return client.login(server, request, undefined, signal);
        },
        deviceBundle: () => client.deviceBundle(server, 'a', signal),
        userBundle: () => client.userBundle(server, 'token', undefined, signal),
        refreshSession: () => client.refreshSession(server, 'token', signal),
        vouch: () => {
          const request = { loginId: randomUUID(), user: 'alice@lab.test', userId: randomUUID() };
          return client.vouch(server, request, signal);
        },
        logout: () => client.logout(server, 'token', signal),
        sendEvents: () => client.sendEvents(server, [], signal),
        renew: () => client.renew(server, 'csr', signal),
      };
      return {
        async check(input) {
          reply = input;
          const { kind } = await ask[input.call]();
          if (!KINDS.includes(kind)) return `an answer of the kind ${kind}`;
          return input.status >= 300 && input.status !== NOT_MODIFIED && input.status !== 503 && kind === 'ok'
            ? `taken for an answer with ${input.status}`
            : undefined;
        },
        async close() {
          await client.close();
          await lab.stop();
        },
      };
    },
  };
}
