import { request } from 'node:https';
import { parseJson, ServerStatus, type StatementServer, type Version } from '@thinman/protocol';
import { canServeLogin } from '../../core/serving-state.ts';
import { primaryTls } from '../../link/primary-tls.ts';
import type { ServerIdentity } from '../../ports.ts';
import { type Check, fail, ok, warn } from './check.ts';
import { checkClock } from './clock-check.ts';

const DEADLINE_MS = 5_000;
const MAX_ANSWER_CHARS = 64 * 1024;

export type PeerSeen = {
  readonly checks: readonly Check[] /** Where it stands, if it said so. */;
  readonly version?: Version;
};

/** Another server of the statement, met as a server meets one: by chain, name and key. */
export async function checkPeer(
  identity: Pick<ServerIdentity, 'tls' | 'caCertificates'>,
  server: StatementServer,
  nowMs: () => number,
): Promise<PeerSeen> {
  const answer = await ask(identity, server);
  const called = `${server.name} (${server.role}, ${server.url})`;
  if (answer.kind === 'failed') {
    const advice = 'look whether it runs, at its log, and at the network between the two';
    return { checks: [fail('other server', `${called} cannot be reached: ${answer.why}`, advice)] };
  }
  const { state, epoch, generation } = answer.status;
  const found = `${called} is ${state} at ${epoch}.${generation}`;
  const check = canServeLogin(state)
    ? state === 'serving'
      ? ok('other server', found)
      : warn('other server', found, 'run thinman-server doctor there')
    : fail('other server', found, 'run thinman-server doctor there');
  return {
    version: { epoch, generation },
    checks: [check, checkClock(`${server.name}'s clock`, answer.atMs, nowMs())],
  };
}

type Answer =
  | { readonly kind: 'answered'; readonly status: ServerStatus; readonly atMs: number }
  | { readonly kind: 'failed'; readonly why: string };

function ask(identity: Pick<ServerIdentity, 'tls' | 'caCertificates'>, server: StatementServer): Promise<Answer> {
  return new Promise(resolve => {
    const failed = (why: string) => resolve({ kind: 'failed', why });
    const outgoing = request(
      `${new URL(server.url).origin}/readyz`,
      { ...primaryTls(identity, server), agent: false, signal: AbortSignal.timeout(DEADLINE_MS) },
      answer => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (piece: string) => {
          text += piece;
          if (text.length > MAX_ANSWER_CHARS) answer.destroy();
        });
        answer.on('error', error => failed(error.message));
        answer.on('close', () => {
          const parsed = parseJson(ServerStatus, text, MAX_ANSWER_CHARS);
          const atMs = Date.parse(answer.headers.date ?? '');
          if (parsed.ok) resolve({ kind: 'answered', status: parsed.value, atMs });
          else failed(`what answers there (status ${answer.statusCode}) is no ThinMan server`);
        });
      },
    );
    outgoing.on('error', ({ name, message }) =>
      failed(name === 'TimeoutError' || name === 'AbortError' ? `no answer within ${DEADLINE_MS} ms` : message),
    );
    outgoing.end();
  });
}
