import { chmodSync, rmSync } from 'node:fs';
import type { HttpApp } from './codec.ts';

const OWNER_ONLY = 0o600;

/**
 * Listens on a Unix socket that only its owner may open. The folder around it has mode 0700, so nobody gets in between
 * bind and chmod; the folder's lock says that a socket which lies there already is left over.
 */
export async function listenLocal(app: HttpApp, path: string): Promise<void> {
  rmSync(path, { force: true });
  await app.listen({ path });
  chmodSync(path, OWNER_ONLY);
}
