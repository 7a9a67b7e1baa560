import type { ServerRole } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { WriteDeps } from '../admin-plane/admin-deps.ts';
import type { HttpApp } from '../http/codec.ts';
import type { LinkServer } from '../link/link-server.ts';
import type { Clock, Replica, SourceOfRecord } from '../ports.ts';
import { askToRenew } from './ask-to-renew.ts';
import { createCaRotation, noCaRotation, rotationNow } from './ca-rotation.ts';
import { caRoutes } from './ca-routes.ts';
import { joinRoute } from './join-route.ts';
import type { LoadedIdentity } from './load-identity.ts';
import { renewServerRoute } from './renew-server-route.ts';
import type { Restate } from './restate.ts';
import { createServerRenewal, type ServerRenewal } from './server-renewal.ts';

export type IdentityCareOptions = {
  readonly loaded: LoadedIdentity;
  readonly record: SourceOfRecord;
  readonly replica: Replica;
  readonly write: WriteDeps;
  readonly restate: Restate;
  readonly secondaries: LinkServer['secondaries'];
  readonly role: () => ServerRole;
  readonly tell: (type: string, data: Record<string, unknown>) => Promise<unknown>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
};

type Routes = (app: HttpApp) => Promise<void>;

/** What a running server does for identities: others join the site, certificates are renewed, the site's CA is changed. */
export type IdentityCare = {
  /** For servers of the site, and who is to be one. */
  readonly siteRoutes: readonly Routes[];
  /** For who has the data folder at hand. */
  readonly localRoutes: Routes;
  /** Of this server's own certificate. */
  readonly renewal: ServerRenewal;
};

export function createIdentityCare(options: IdentityCareOptions): IdentityCare {
  const { loaded, record, replica, write, restate, secondaries, role, tell, clock, random, log } = options;
  const { own, statements } = loaded;
  const { identity } = own;
  const authority = () => loaded.ca.held()?.authority;
  const renewing = { identity, write, statement: statements.current, authority };
  const join = joinRoute({
    ...{ identity, write },
    authority() {
      const here = authority();
      return here && { issue: here.issueServer, restate };
    },
  });
  const rotation = rotationNow(() => {
    const keys = loaded.ca.held()?.keys;
    if (keys === undefined) return noCaRotation(write);
    return createCaRotation({
      ...{ identity, keys, record, replica, clock, write, restate, secondaries },
      statement: () => statements.current().statement,
    });
  });
  return {
    siteRoutes: [join, renewServerRoute({ ...renewing, log })],
    localRoutes: caRoutes(rotation),
    renewal: createServerRenewal({
      ...{ identity, clock, random },
      issuingPin: () => statements.current().statement.caPins[0],
      issue: (csr, signal) => askToRenew(renewing, role(), csr, signal),
      keep(certificatePem, facts) {
        own.takeCertificate(certificatePem);
        log.info(facts, 'this server has a new certificate');
        void tell('certificate.renewed', facts);
      },
      onTrouble: error => log.warn({ err: error }, 'this server has no new certificate yet; it tries again'),
    }),
  };
}
