import type { SignedStatement } from '@thinman/protocol';
import type { CertificateAuthority, CommitTransaction, ServerIdentity } from '../ports.ts';
import { epochIn } from './epoch-id.ts';
import { pinsOf } from './pins.ts';
import { composeStatement } from './site-statement.ts';

/** Signs what the site says of itself by the objects of this transaction, and sets it there. Primary only. */
export type Restate = (transaction: CommitTransaction) => Promise<SignedStatement>;

export function createRestate(
  identity: Pick<ServerIdentity, 'siteId' | 'instance'>,
  authority: Pick<CertificateAuthority, 'sign'>,
): Restate {
  return async transaction => {
    // Of the row that this transaction holds: a commit just before may have begun to change the CA.
    const caPins = pinsOf((await transaction.siteCas()).caCertificates);
    const statement = composeStatement({
      siteId: identity.siteId,
      epoch: transaction.version.epoch,
      epochId: await epochIdIn(transaction),
      version: transaction.version.generation,
      primaryInstance: identity.instance,
      caPins,
      servers: await transaction.list('Server'),
      directories: await transaction.list('Directory'),
    });
    const signed = authority.sign(statement);
    await transaction.setStatement(signed);
    return signed;
  };
}

/** An epoch keeps its id, also none: what is told of it once is not told otherwise. The commit that begins one gives its own. */
async function epochIdIn(transaction: CommitTransaction): Promise<string | undefined> {
  const before = epochIn(await transaction.statement());
  return before.epoch === transaction.version.epoch ? before.epochId : transaction.commitId;
}
