import type { Missing, ServerRole } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { WriteDeps } from '../admin-plane/admin-deps.ts';
import type { HttpApp } from '../http/codec.ts';
import type { LoadedIdentity } from '../identity/load-identity.ts';
import { createStatementWatch, type StatementWatch } from '../link/statement-watch.ts';
import type { Clock, Replica, SourceOfRecord } from '../ports.ts';
import type { SyncCondition } from '../replica/sync.ts';
import { watchIsolation } from '../runtime/isolation.ts';
import { createAcceptDatabase } from './accept-database.ts';
import { exportedSince } from './exported-since.ts';
import type { ForkGuard } from './fork-guard.ts';
import { createPromotion, type PromotionDeps } from './promote.ts';
import { recoveryRoutes } from './recovery-routes.ts';
import { createLeaving, type Leaving } from './superseded.ts';
import { logTurningPoints } from './turning-points.ts';

export type RecoveryOptions = {
  readonly loaded: Pick<LoadedIdentity, 'own' | 'statements' | 'ca'>;
  readonly record: SourceOfRecord;
  readonly replica: Replica;
  readonly write: WriteDeps;
  readonly forks: Pick<ForkGuard, 'forked' | 'secondaries'>;
  readonly condition: () => SyncCondition;
  readonly role: () => ServerRole;
  readonly superseded: () => boolean;
  readonly removed: () => boolean;
  readonly missing: () => Missing;
  /** The link to the Primary stands. */
  readonly linked: () => boolean;
  /** A device or a Secondary is connected. */
  readonly seesAnybody: () => boolean;
  readonly isolatedAfterMs: () => number;
  /** An administrator has said that it is to go on alone. */
  readonly mayBeAlone: boolean;
  /** Of this server's own data. */
  readonly epoch: () => number;
  readonly database: PromotionDeps['database'];
  /** The data folder. */
  readonly folder: string;
  readonly tell: (type: string, data: Record<string, unknown>) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Which server and which database count, and what becomes of a server for which the answer has changed. */
export type Recovery = {
  /** On the local admin socket: promotion, and the acceptance of a database. */
  readonly localRoutes: (app: HttpApp) => Promise<void>;
  readonly leaving: Leaving;
  readonly statementWatch: StatementWatch;
  /** A Primary that sees nobody takes no administrative writes. */
  isolated(): boolean;
  /** Something that decides may have changed: for the log. */
  look(): void;
  stop(): void;
};

export function createRecovery(options: RecoveryOptions): Recovery {
  const { loaded, record, replica, write, forks, condition, role, superseded, linked, mayBeAlone } = options;
  const { folder, tell, clock, log } = options;
  const { statements, ca } = loaded;
  const { identity } = loaded.own;
  const statement = () => statements.current().statement;

  const isolation = watchIsolation({
    ...{ clock, seesAnybody: options.seesAnybody, isolatedAfterMs: options.isolatedAfterMs },
    hasOthers: () => statement().servers.length > 1,
    onLook: () => turningPoints.look(),
  });
  const isolated = () => role() === 'primary' && !mayBeAlone && isolation.isIsolated();
  const turningPoints = logTurningPoints(
    () => ({
      ...{ role: role(), forked: forks.forked(), isolated: isolated() },
      epoch: Math.max(statement().epoch, options.epoch()),
    }),
    log,
  );

  const recovering = { write, folder, caCertificates: () => identity.caCertificates };
  const acceptDatabase = createAcceptDatabase({
    ...{ ...recovering, secondaries: forks.secondaries },
    seesNobody: () => !mayBeAlone && isolation.seesNobody(),
  });
  const { removed, missing, database } = options;
  const promotion = createPromotion({ ...recovering, role, removed, missing, linked, ca, database });

  const leaving = createLeaving({
    ...{ replica, folder, tell, clock, log },
    databaseRead: () => condition().reachable && condition().error === undefined,
    isServer: ({ system }) => statement().servers.some(({ keyHash }) => keyHash === system.keyHash),
  });
  const statementWatch = createStatementWatch({
    ...{ identity, clock, statement, epoch: options.epoch },
    needed: () => role() === 'primary' || superseded() || !linked(),
    take(answer) {
      isolation.saw();
      statements.offer(answer.statement);
      if (!superseded()) return;
      // A database that is away now is asked at the next answer.
      const asked = exportedSince(answer, replica, record).catch(() => undefined);
      void asked.then(since => since && leaving.leave(since));
    },
  });

  return {
    localRoutes: recoveryRoutes({ acceptDatabase, promotion }),
    ...{ leaving, statementWatch, isolated },
    look: turningPoints.look,
    stop() {
      statementWatch.stop();
      isolation.stop();
    },
  };
}
