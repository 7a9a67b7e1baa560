import type { RenewAnswer, ServerBody } from '@thinman/protocol';
import type { WriteDeps } from '../admin-plane/admin-deps.ts';
import { refusalUnlessPrimary } from '../admin-plane/commit.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { CertificateAuthority, ServerIdentity } from '../ports.ts';
import { keyHashOfCsr } from './csr.ts';
import type { HeldStatement } from './statement-holder.ts';

export type RenewServerDeps = {
  readonly identity: Pick<ServerIdentity, 'caCertificates'>;
  readonly write: Pick<WriteDeps, 'replica' | 'identity' | 'statement'>;
  /** The newest valid site statement. */
  statement(): HeldStatement;
  /** The site CA, where its key lies. */
  authority(): CertificateAuthority | undefined;
};

/**
 * A new certificate for a server of the site, by the key that it has shown; the key stays. Its names are those of its Server
 * object, whatever it asks for. Nothing is committed: what a server shows it tells over the link.
 */
export async function renewServer(
  { identity, write, ...deps }: RenewServerDeps,
  keyHash: string,
  csr: string,
): Promise<Outcome<RenewAnswer & { readonly name: string }>> {
  const authority = deps.authority();
  const notHere = refusalUnlessPrimary(write);
  if (notHere !== undefined) return notHere;
  if (authority === undefined) return refused('not_primary', { detail: 'The site CA is not here.' });
  const { signed, statement } = deps.statement();
  const server = statement.servers.find(known => known.keyHash === keyHash);
  const object = server && write.replica.get('Server', server.name);
  if (object === undefined) return refused('forbidden', { detail: 'this key is of no server of the site' });
  if ((await keyHashOfCsr(csr)) !== keyHash) {
    return refused('bad_request', { detail: 'renewal keeps the key: this request is for another one' });
  }
  const { url } = object.body as ServerBody;
  const issued = await authority.issueServer(csr, object.name, [url]);
  const { caCertificates } = identity;
  return done({ name: object.name, certificate: issued.pem, caCertificates: [...caCertificates], statement: signed });
}
