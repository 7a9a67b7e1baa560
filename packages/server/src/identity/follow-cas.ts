import type { Replica } from '../ports.ts';
import type { LoadedIdentity } from './load-identity.ts';
import { pinsOf } from './pins.ts';

/**
 * Takes what the site row says of CAs, as far as a statement signed by a CA that is trusted already bears it out: whoever can
 * write into a database makes nobody trust him. And the data key that this server's own object carries. To be called when the replica or
 * the statement has changed, and at start.
 */
export function followCas(
  { own, statements, ca, dataKeys }: Pick<LoadedIdentity, 'own' | 'statements' | 'ca' | 'dataKeys'>,
  replica: Pick<Replica, 'site' | 'get'>,
): void {
  dataKeys.follow(replica.get('Server', own.identity.name)?.system.wrappedDataKey);
  const site = replica.site();
  if (site !== undefined) statements.offer(site.statement);
  const { caPins } = statements.current().statement;
  own.trust(caPins, site?.caCertificates ?? []);
  const [pin, ...others] = pinsOf(own.identity.caCertificates);
  if (pin !== undefined && others.length === 0 && caPins.length === 1) ca.held()?.keys.settle(pin);
}
