import { RenewAnswer, type ServerRole, type SiteStatement } from '@thinman/protocol';
import { primaryTls } from '../link/primary-tls.ts';
import type { ServerIdentity } from '../ports.ts';
import { httpsJson } from '../runtime/https-json.ts';
import { type RenewServerDeps, renewServer } from './renew-server.ts';
import type { Issued } from './server-renewal.ts';

/** A question to the Primary. */
const ASK_DEADLINE_MS = 15_000;
const HTTP_SERVER_ERRORS = 500;

/** This server's next certificate: the Primary gives itself one, a Secondary asks it for one over mutual TLS. */
export async function askToRenew(
  deps: RenewServerDeps & { readonly identity: ServerIdentity },
  role: ServerRole,
  csr: string,
  signal: AbortSignal,
): Promise<Issued> {
  const answer =
    role === 'primary'
      ? await renewServer(deps, deps.identity.keyHash, csr)
      : await askPrimary(deps.identity, deps.statement().statement, csr, signal);
  if (answer.ok) return { kind: 'issued', certificate: answer.value.certificate };
  if (answer.problem === undefined) return notIssued(answer.why, true);
  const { code, status, detail } = answer.problem;
  return notIssued(`${code}${detail === undefined ? '' : ` (${detail})`}`, isForNow(code, status));
}

const notIssued = (why: string, mayPass: boolean): Issued => ({ kind: 'not_issued', why, mayPass });

/** A server that cannot, or is the Primary no more: a matter of time. */
function isForNow(code: string, status: number): boolean {
  return status >= HTTP_SERVER_ERRORS || code === 'not_primary';
}

async function askPrimary(identity: ServerIdentity, statement: SiteStatement, csr: string, signal: AbortSignal) {
  const primary = statement.servers.find(({ role }) => role === 'primary');
  if (primary === undefined) return { ok: false, problem: undefined, why: 'the statement names no Primary' } as const;
  const answer = await httpsJson({
    url: `${new URL(primary.url).origin}/v1/renew-server`,
    schema: RenewAnswer,
    trust: primaryTls(identity, primary),
    body: { csr },
    deadlineMs: ASK_DEADLINE_MS,
    signal,
  });
  switch (answer.kind) {
    case 'ok':
      return { ok: true, value: answer.value } as const;
    case 'problem':
      return { ok: false, problem: answer.problem } as const;
    case 'failed':
      return { ok: false, problem: undefined, why: `${primary.url}: ${answer.why}` } as const;
  }
}
