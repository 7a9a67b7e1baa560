import type { ServerState } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { WriteDeps } from '../admin-plane/admin-deps.ts';
import type { Directories } from '../directory/directories.ts';
import type { FileKeeper } from '../files/file-keeper.ts';
import type { Metrics } from '../http/metrics/metrics.ts';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type {
  CertificateAuthority,
  Clock,
  EventWriter,
  Journal,
  Replica,
  ServerIdentity,
  SessionTokens,
  SiteDataKey,
} from '../ports.ts';
import type { SiteView } from './site-view.ts';

/** What the device plane stands on. It reads the replica and writes the journal; enrolment alone writes through `write`. */
export type DeviceDeps = {
  readonly identity: Pick<ServerIdentity, 'siteId' | 'instance' | 'name' | 'keyHash' | 'caCertificates'>;
  readonly replica: Replica;
  readonly site: SiteView;
  readonly journal: Pick<Journal, 'append' | 'remembered' | 'failures' | 'lastGrantMs' | 'isEnded'>;
  readonly dataKey: Pick<SiteDataKey, 'mac' | 'open'>;
  readonly sessions: SessionTokens;
  readonly directories: Directories;
  readonly files: Pick<FileKeeper, 'read'>;
  readonly events: EventWriter;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'loginAnswered'>;
  readonly log: Logger;
  /** The administrative write, for enrolment and renewal; refuses by itself where this server is not the Primary. */
  readonly write: WriteDeps;
  /** The site CA, where its key lies. */
  authority(): CertificateAuthority | undefined;
  /** The newest valid site statement. */
  statement(): HeldStatement;
  state(): ServerState;
  /** False on a Secondary that does not see the Primary: then nobody can change an expired password. */
  primaryReachable(): boolean;
};
