import { parseValue, type ServerBody, ServerSystem, type SiteStatement, StatementAnswer } from '@thinman/protocol';
import { verifyStatement } from '../identity/statement.ts';
import { primaryTls } from '../link/primary-tls.ts';
import { STATEMENT_PATH } from '../link/statement-route.ts';
import type { ServerIdentity, StoredObject } from '../ports.ts';
import { httpsJson } from '../runtime/https-json.ts';

/** A host that is switched off does not answer at all: whoever restores a site can wait so long for it. */
const ASK_DEADLINE_MS = 5_000;

/** What a server of the site says of it now; undefined: it does not, or not under a CA of the site. */
export type Asked = { readonly name: string; readonly url: string; readonly statement: SiteStatement | undefined };

/** Asks the servers of a site for their newest statement, all at a time. Never rejects. */
export function askForStatements(
  identity: Pick<ServerIdentity, 'tls' | 'caCertificates'>,
  servers: readonly StoredObject[],
): Promise<readonly Asked[]> {
  return Promise.all(
    servers.map(async ({ name, body, system }): Promise<Asked> => {
      const { url } = body as ServerBody;
      const parsed = parseValue(ServerSystem, system);
      if (!parsed.ok) return { name, url, statement: undefined };
      const answer = await httpsJson({
        url: `${new URL(url).origin}${STATEMENT_PATH}`,
        schema: StatementAnswer,
        trust: primaryTls(identity, parsed.value),
        deadlineMs: ASK_DEADLINE_MS,
      });
      const signed = answer.kind === 'ok' ? answer.value.statement : undefined;
      return { name, url, statement: signed && verifyStatement(signed, identity.caCertificates) };
    }),
  );
}
