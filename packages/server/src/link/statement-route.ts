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
  readonly record: Pick<SourceOfRecord, 'lastCommitOf'>;
  readonly clock: Pick<Clock, 'after'>;
}) {
  const { statement, record, clock } = deps;

  async function restsOn(epoch: number): Promise<StatementAnswer['restsOn']> {
    if (!Number.isSafeInteger(epoch) || epoch < 0 || epoch >= statement().statement.epoch) return null;
    let found: StatementAnswer['restsOn'] = null;
    const asked = record.lastCommitOf(epoch).then(
      last => {
        if (last !== undefined) found = { ...last.version, commitId: last.commitId };
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
      const answer: StatementAnswer = { statement: statement().signed, restsOn: await restsOn(Number(epoch ?? -1)) };
      return send(reply, done(answer));
    });
  };
}
