import { chmodSync, lstatSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { removeFile } from '../atomic-file.ts';
import { errorCode } from '../error-code.ts';

/** `sun_path` of Linux has 108 bytes, one of them for the end; a longer path fails with a bare EINVAL. */
const MAX_SOCKET_PATH_BYTES = 107;
/** Born closed to everybody else, widened afterwards: there is no moment in which others could connect too early. */
const BIRTH_UMASK = 0o177;

/** The socket cannot be opened; `message` says why and what to do. */
export class SocketUnusable extends Error {
  override readonly name = 'SocketUnusable';
}

/** Throws SocketUnusable where no socket of this path can be. */
export function requireSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return;
  throw new SocketUnusable(
    `the path of the socket ${path} has ${bytes} bytes, and Linux allows ${MAX_SOCKET_PATH_BYTES}: choose a data folder with a shorter path`,
  );
}

/** Listens on a Unix socket of this mode. A socket left behind by a dead process is replaced. Throws SocketUnusable. */
export async function listenOnSocket(server: Server, path: string, mode: number): Promise<void> {
  requireSocketPath(path);
  await removeStale(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    const umask = process.umask(BIRTH_UMASK);
    try {
      server.listen(path); // binds before it returns
    } finally {
      process.umask(umask);
    }
  });
  chmodSync(path, mode);
}

async function removeStale(path: string): Promise<void> {
  // A link that leads nowhere is in the way as well.
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketUnusable(`${path} is in the way and is not a socket: move it away`);
  if (await answers(path)) {
    throw new SocketUnusable(`an agent is already running here (${path} answers): stop it first`);
  }
  removeFile(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', error => {
      const code = errorCode(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      // A full backlog means that somebody listens.
      else if (code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}
