import { readFileSync } from 'node:fs';
import { DatabaseFileUnreadable } from '../../errors.ts';
import type { MysqlAddress } from './address.ts';
import type { ConnectSecrets } from './connection.ts';

/** Where the password comes from if neither the URL nor a file of it has one. */
export const PASSWORD_VARIABLE = 'THINMAN_DATABASE_PASSWORD';

/**
 * Reads password and certificates anew for each connection, so that they can be changed without a restart. Throws
 * DatabaseFileUnreadable on a file that cannot be read.
 */
export function createSecretsReader(address: MysqlAddress, environment: NodeJS.ProcessEnv): () => ConnectSecrets {
  let ssl: { ca: string; cert?: string; key?: string; rejectUnauthorized: true; verifyIdentity: true } | undefined;
  return () => {
    const { passwordFile, tls } = address;
    const password = address.password ?? (passwordFile === undefined ? undefined : lineOf(passwordFile));
    if (tls !== undefined) {
      const { caFile, certFile, keyFile } = tls;
      const ca = textOf(caFile);
      const [cert, key] = [certFile, keyFile].map(file => (file === undefined ? undefined : textOf(file)));
      // The same object as long as nothing changes: the driver keeps what it has worked out of it.
      if (ssl?.ca !== ca || ssl.cert !== cert || ssl.key !== key) {
        const own = cert === undefined || key === undefined ? {} : { cert, key };
        ssl = { ca, ...own, rejectUnauthorized: true, verifyIdentity: true };
      }
    }
    return { password: password ?? environment[PASSWORD_VARIABLE], ssl };
  };
}

/** Editors and `echo` end a file with a line break, which is no part of a password. */
function lineOf(file: string): string {
  return textOf(file).replace(/\r?\n$/, '');
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new DatabaseFileUnreadable(file, code);
  }
}
