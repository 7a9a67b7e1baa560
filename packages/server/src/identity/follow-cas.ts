import type { Replica } from '../ports.ts';
import type { LoadedIdentity } from './load-identity.ts';
import { pinsOf } from './pins.ts';

/**
 * Takes what the site row says of CAs, as far as a statement signed by a CA that is trusted already bears it out: whoever can
 * write into a database makes nobody trust him. To be called when the replica or the statement has changed, and at start.
 */
export function followCas(
  { own, statements, ca }: Pick<LoadedIdentity, 'own' | 'statements' | 'ca'>,
  replica: Pick<Replica, 'site'>,
): void {
  const site = replica.site();
  if (site !== undefined) statements.offer(site.statement);
  const { caPins } = statements.current().statement;
  own.trust(caPins, site?.caCertificates ?? []);
  const [pin, ...others] = pinsOf(own.identity.caCertificates);
  if (pin !== undefined && others.length === 0 && caPins.length === 1) ca?.keys.settle(pin);
}
