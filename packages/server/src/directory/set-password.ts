import { Attribute, BerWriter, Change, type Entry } from 'ldapts';
import type { Clock } from '../ports.ts';
import { bindOnce } from './bind-once.ts';
import { type Connection, NoAnswer, Refused } from './connection.ts';
import type { PasswordChange } from './directories.ts';
import type { DirectoryConfig } from './directory-config.ts';
import type { LdapServer } from './ldap-server.ts';
import { Undecided } from './ldap-servers.ts';
import { verdictOf } from './verdicts.ts';

export type PasswordWay = {
  readonly config: DirectoryConfig;
  readonly server: LdapServer;
  readonly clock: Clock;
  /** Ms that are left, at most so many. */
  left(atMost?: number): number;
  lookUp(connection: Connection): Promise<{ readonly kind: string; readonly entry?: Entry }>;
  /** Under which name the user binds, looked up or not. */
  bindName(found: { readonly kind: string; readonly entry?: Entry }): string;
};
export type Passwords = { readonly oldPassword: string; readonly newPassword: string };

/** Password Modify (RFC 3062). */
const PASSWORD_MODIFY_OID = '1.3.6.1.4.1.4203.1.11.1';
const MODIFY_MS = 5_000;

const CONSTRAINT_VIOLATION = 19;
const UNWILLING_TO_PERFORM = 53;
/** Win32 codes at the beginning of AD's diagnostic messages: the old password is wrong; the new one does not fit the policy. */
const AD_WRONG_PASSWORD = /^00000056\b/;
const AD_POLICY = /^0000052D\b/i;

/** Sets a new password by the old one: both are the user's, and nobody's rights but the user's are used. */
export function setPassword(way: PasswordWay, passwords: Passwords): Promise<PasswordChange> {
  return way.config.type === 'activeDirectory' ? inActiveDirectory(way, passwords) : byPasswordModify(way, passwords);
}

/**
 * Old value out, new value in, in one operation: AD checks the old one itself, also where it has expired or must be changed, when
 * no bind as the user would succeed. @see MS-ADTS 3.1.1.3.1.5
 */
async function inActiveDirectory(way: PasswordWay, { oldPassword, newPassword }: Passwords): Promise<PasswordChange> {
  const { config, server } = way;
  const endpoint = config.endpoints.find(({ url }) => url === server.url);
  if (endpoint?.startTls !== true && !server.url.startsWith('ldaps:')) {
    return { kind: 'not_possible', why: 'Active Directory takes new passwords over ldaps: or startTls alone' };
  }
  const changes = [changeOf('delete', oldPassword), changeOf('add', newPassword)];
  if (config.serviceAccount !== undefined) {
    const connection = await server.service();
    const { entry } = await way.lookUp(connection);
    if (entry === undefined) return { kind: 'denied', code: 'credentials_invalid' };
    return modified(() => connection.modify(entry.dn, changes, way.left(MODIFY_MS)));
  }
  return asUser(way, oldPassword, async connection => {
    const { entry } = await way.lookUp(connection);
    if (entry === undefined) return { kind: 'not_possible', why: 'a user may not read the own entry' };
    return modified(() => connection.modify(entry.dn, changes, way.left(MODIFY_MS)));
  });
}

async function byPasswordModify(way: PasswordWay, passwords: Passwords): Promise<PasswordChange> {
  return asUser(way, passwords.oldPassword, (connection, dn) =>
    modified(() => connection.extended(PASSWORD_MODIFY_OID, passwordModify(dn, passwords), way.left(MODIFY_MS))),
  );
}

async function asUser(
  way: PasswordWay,
  oldPassword: string,
  work: (connection: Connection, dn: string) => Promise<PasswordChange>,
): Promise<PasswordChange> {
  const { server, clock } = way;
  const dn = way.bindName(await way.lookUp(await server.service()));
  return server.withBinder(async connection => {
    const result = await bindOnce(server, connection, dn, oldPassword, way.left(MODIFY_MS), clock);
    const verdict = verdictOf(result);
    if (verdict === 'trouble') return { kind: 'unavailable' };
    // After a reset by an administrator the bind succeeds, for this one purpose.
    if (result.kind === 'refused') {
      return { kind: 'denied', code: verdict === 'granted' ? 'credentials_invalid' : verdict };
    }
    return work(connection, dn);
  });
}

async function modified(work: () => Promise<void>): Promise<PasswordChange> {
  try {
    await work();
    return { kind: 'changed' };
  } catch (error) {
    // Whether it was done, nobody knows: it is not done a second time.
    if (error instanceof NoAnswer) throw new Undecided(error.message);
    if (!(error instanceof Refused)) throw error;
    if (AD_WRONG_PASSWORD.test(error.message)) return { kind: 'denied', code: 'credentials_invalid' };
    if (AD_POLICY.test(error.message) || error.code === CONSTRAINT_VIOLATION) {
      return { kind: 'policy', why: POLICY_WORDS };
    }
    if (error.code === UNWILLING_TO_PERFORM)
      return { kind: 'not_possible', why: 'the directory changes no password here' };
    return { kind: 'not_possible', why: `the directory refuses it (LDAP result code ${error.code})` };
  }
}

const POLICY_WORDS =
  'The directory does not take this password: it is too short, too simple, was used before, or the last change was too lately.';

function changeOf(operation: 'add' | 'delete', password: string): Change {
  const values = [Buffer.from(`"${password}"`, 'utf16le')];
  return new Change({ operation, modification: new Attribute({ type: 'unicodePwd', values }) });
}

const USER_IDENTITY = 0x80;
const OLD_PASSWORD = 0x81;
const NEW_PASSWORD = 0x82;

function passwordModify(dn: string, { oldPassword, newPassword }: Passwords): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeString(dn, USER_IDENTITY);
  writer.writeString(oldPassword, OLD_PASSWORD);
  writer.writeString(newPassword, NEW_PASSWORD);
  writer.endSequence();
  return writer.buffer;
}
