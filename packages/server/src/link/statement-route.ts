import type { StatementAnswer } from '@thinman/protocol';
import { send } from '../admin-plane/route.ts';
import type { HttpApp } from '../http/codec.ts';
import { done, refused } from '../http/outcome.ts';
import { devicePeer } from '../http/peer.ts';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type { Clock, SourceOfRecord } from '../ports.ts';
import { withinDeadline } from '../runtime/within-deadline.ts';

export const STATEMENT_PATH = '/v1/statement';

/** Who asks waits for 1.5 s. */
const DATABASE_DEADLINE_MS = 1_000;

/** `GET /v1/statement?epoch=E`, for servers of the site alone: the newest statement, and where epoch E ended in this line of commits. */
export function statementRoute(deps: {
  readonly statement: () => HeldStatement;
  readonly record: Pick<SourceOfRecord, 'lastCommitOf' | 'line'>;
  readonly clock: Pick<Clock, 'after'>;
}) {
  const { statement, record, clock } = deps;

  async function past(epoch: number): Promise<Omit<StatementAnswer, 'statement'>> {
    let found: Omit<StatementAnswer, 'statement'> = { restsOn: null };
    if (!Number.isSafeInteger(epoch) || epoch < 0 || epoch >= statement().statement.epoch) return found;
    const asked = Promise.all([record.lastCommitOf(epoch), record.line()]).then(
      ([last, line]) => {
        if (last !== undefined) found = { restsOn: { ...last.version, commitId: last.commitId }, line: [...line] };
      },
      // The statement alone is news enough.
      () => {},
    );
    await withinDeadline(clock, asked, DATABASE_DEADLINE_MS);
    return found;
  }

  return async (app: HttpApp): Promise<void> => {
    app.get(STATEMENT_PATH, async (request, reply) => {
      const peer = devicePeer(request.raw.socket);
      const isServer = statement().statement.servers.some(({ keyHash }) => keyHash === peer?.keyHash);
      if (peer?.authorized !== true || !isServer) {
        return send(reply, refused('forbidden', { detail: 'this is for servers of the site' }));
      }
      const { epoch } = request.query as { readonly epoch?: unknown };
      const answer: StatementAnswer = { statement: statement().signed, ...(await past(Number(epoch ?? -1))) };
      return send(reply, done(answer));
    });
  };
}
