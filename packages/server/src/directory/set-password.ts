import { Attribute, BerWriter, Change, type Entry } from 'ldapts';
import { bindOnce } from './bind-once.ts';
import { type Connection, Refused } from './connection.ts';
import type { PasswordChange } from './directories.ts';
import type { DirectoryConfig } from './directory-config.ts';
import type { LdapServer } from './ldap-server.ts';

type Way = {
  readonly config: DirectoryConfig;
  readonly server: LdapServer;
  readonly time: { left(atMost?: number): number };
  lookUp(connection: Connection): Promise<{ readonly kind: string; readonly entry?: Entry }>;
};
void bindOnce;
void Attribute;
void BerWriter;
void Change;
void Refused;

export async function setPassword(
  _way: Way,
  _passwords: { readonly oldPassword: string; readonly newPassword: string },
): Promise<PasswordChange> {
  return { kind: 'not_possible', why: 'not yet' };
}
