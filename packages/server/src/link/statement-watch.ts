import { type SiteStatement, StatementAnswer } from '@thinman/protocol';
import type { Clock, ServerIdentity } from '../ports.ts';
import { httpsJson } from '../runtime/https-json.ts';
import { withinDeadline } from '../runtime/within-deadline.ts';
import { primaryTls } from './primary-tls.ts';
import { STATEMENT_PATH } from './statement-route.ts';

/** A Primary that was away learns of a promotion within this time, or at its start (`issue 5`, Promotion). */
const ASK_INTERVAL_MS = 10_000;
/** Beside the interval, for a server that does not answer. At its start a Primary waits for it, so it is short. */
const ASK_DEADLINE_MS = 1_500;
/** A start waits for no connection that will not end. */
const ROUND_DEADLINE_MS = 2_000;

export type StatementWatch = {
  /** Asks every other server of the statement once; resolves in 2 s at most. Never rejects. */
  askAll(): Promise<void>;
  start(): void;
  stop(): void;
};

/**
 * Asks the other servers what the site says of itself. Who is the Primary, or has no link to one, would not hear of a promotion
 * otherwise: in FULL its own database does not know.
 */
export function createStatementWatch(options: {
  readonly identity: Pick<ServerIdentity, 'name' | 'tls' | 'caCertificates'>;
  readonly statement: () => SiteStatement;
  /** Whether there is anything to ask for. */
  readonly needed: () => boolean;
  /** Of this server's own data. */
  readonly epoch: () => number;
  readonly take: (answer: StatementAnswer) => void;
  readonly clock: Pick<Clock, 'after'>;
}): StatementWatch {
  const { identity, statement, needed, epoch, take, clock } = options;
  let cancel = () => {};
  let stopped = false;

  async function askAll(): Promise<void> {
    if (!needed()) return;
    const others = statement().servers.filter(({ name }) => name !== identity.name);
    const asked = Promise.all(
      others.map(async server => {
        const answer = await httpsJson({
          url: `${new URL(server.url).origin}${STATEMENT_PATH}?epoch=${epoch()}`,
          schema: StatementAnswer,
          trust: primaryTls(identity, server),
          deadlineMs: ASK_DEADLINE_MS,
        });
        if (answer.kind === 'ok' && !stopped) take(answer.value);
      }),
    );
    await withinDeadline(clock, asked, ROUND_DEADLINE_MS);
  }

  const again = () => {
    if (!stopped) cancel = clock.after(ASK_INTERVAL_MS, () => void askAll().finally(again));
  };
  return {
    askAll,
    start: again,
    stop() {
      stopped = true;
      cancel();
    },
  };
}
