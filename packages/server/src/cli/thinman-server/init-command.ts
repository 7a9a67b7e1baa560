import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from '@thinman/protocol';
import { ConfigError, parseDatabaseUrl } from '../../config.ts';
import { initSite } from '../../setup/init-site.ts';
import { readPassword } from '../thinman/password.ts';

export type NewServerOptions = {
  readonly data: string;
  readonly name: string;
  readonly listen: string;
  readonly url: string;
  readonly database?: string;
};

/** For people who run the command, beside what it gives. */
export const warn = (line: string) => void process.stderr.write(`thinman-server: warning: ${line}\n`);

/** Arguments can be read by every user of the host, and stay in a shell's history. */
export function warnOfShownPassword(database: string | undefined): void {
  const parsed = database === undefined ? undefined : parseDatabaseUrl(database);
  if (parsed?.kind !== 'mysql' || !parsed.passwordShown) return;
  warn(
    'the password in --database is readable by others on this host while the command runs; ?password-file=FILE or THINMAN_DATABASE_PASSWORD keep it secret',
  );
}

/** `thinman-server init`: what it gives is shown once, and must be kept. */
export async function initCommand(
  options: NewServerOptions & { readonly adminPasswordStdin?: true; readonly acceptWeakDurability?: true },
): Promise<string> {
  warnOfShownPassword(options.database);
  const { data: dataDir, adminPasswordStdin, ...rest } = options;
  const adminPassword = adminPasswordStdin ? await newPassword() : undefined;
  const site = await initSite({ dataDir, ...rest, warn, ...(adminPassword === undefined ? {} : { adminPassword }) });
  const entry =
    adminPassword === undefined
      ? `On this host, thinman --data ${dataDir} needs no login. The administrator "admin" has no password yet; for thinman login from elsewhere:
  echo '{ kind: Administrator, name: admin, body: { role: owner, password: A-PASSWORD } }' | thinman --data ${dataDir} apply -f -`
      : 'The administrator is "admin", with the password that was given.';
  return `${[
    `site           ${site.siteId}`,
    `CA pin         ${site.caPin}`,
    `CA certificate ${dataDir}/ca.crt`,
    `recovery code  ${site.recoveryCode}`,
    '',
    'Keep the recovery code apart from this host: it is shown this once, and without it nobody can promote a Secondary or restore the site.',
    entry,
    `Now run: thinman-server start --data ${dataDir}`,
  ].join('\n')}\n`;
}

async function newPassword(): Promise<string> {
  const password = await readPassword(true, '');
  if (password.length < MIN_PASSWORD_LENGTH || password.length > MAX_PASSWORD_LENGTH) {
    throw new ConfigError(`the password must have ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters`);
  }
  return password;
}
