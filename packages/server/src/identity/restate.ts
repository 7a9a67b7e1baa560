import { X509Certificate } from 'node:crypto';
import type { SignedStatement } from '@thinman/protocol';
import type { CertificateAuthority, CommitTransaction, ServerIdentity } from '../ports.ts';
import { keyHashOfCertificate } from './key-hash.ts';
import { composeStatement } from './site-statement.ts';

/** Signs what the site says of itself by the objects of this transaction, and sets it there. Primary only. */
export type Restate = (transaction: CommitTransaction) => Promise<SignedStatement>;

export function createRestate(
  identity: Pick<ServerIdentity, 'siteId' | 'instance' | 'caCertificates'>,
  authority: Pick<CertificateAuthority, 'sign'>,
): Restate {
  const caPins = pinsOf(identity.caCertificates);
  return async transaction => {
    const statement = composeStatement({
      siteId: identity.siteId,
      epoch: transaction.version.epoch,
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

/** SHA-256 of the keys of CAs (PEM): what devices pin. */
export function pinsOf(caCertificates: readonly string[]): string[] {
  return caCertificates.map(pem => keyHashOfCertificate(new X509Certificate(pem)));
}
