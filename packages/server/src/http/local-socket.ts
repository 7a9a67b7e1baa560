import { chmodSync, rmSync, statSync } from 'node:fs';
import { ConfigError } from '../config.ts';
import type { HttpApp } from './codec.ts';

const OWNER_ONLY = 0o600;

/** Throws ConfigError where something lies that no server has left there. */
export function requireSocketPlace(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
    throw new ConfigError(`${path} is in the way and is not a socket: move it away`);
  }
}

/**
 * Listens on a Unix socket that only its owner may open. The folder around it has mode 0700, so nobody gets in between
 * bind and chmod; the folder's lock says that a socket which lies there already is left over.
 */
export async function listenLocal(app: HttpApp, path: string): Promise<void> {
  rmSync(path, { force: true });
  await app.listen({ path });
  chmodSync(path, OWNER_ONLY);
}
