import { dataFolder } from '../../config.ts';
import { type AdminClient, connect } from './admin-client.ts';
import { CommandError, EXIT } from './command-error.ts';
import { findSession, sessionFolder } from './session-store.ts';
import { type TrustOptions, trustFor } from './trust.ts';

/** The options by which every command finds its server. */
export type ConnectionOptions = TrustOptions & { readonly server?: string; readonly data?: string };

/** The server's own socket (`--data`), or the network with the session that `thinman login` has kept. */
export async function openConnection(options: ConnectionOptions): Promise<AdminClient> {
  const { server, data, ca, pin } = options;
  if (data !== undefined) {
    if (server !== undefined) throw new CommandError(EXIT.misuse, 'give --server or --data, not both');
    return connect({ kind: 'socket', path: dataFolder(data).adminSocket, data });
  }
  const found = findSession(sessionFolder(), server === undefined ? undefined : serverUrl(server));
  if (found === undefined) {
    const url = server ?? 'URL';
    throw new CommandError(
      EXIT.misuse,
      `you are not logged in: thinman login --server ${url} --ca FILE (or --pin SHA256); on the server's own host: --data DIR`,
    );
  }
  const given = ca === undefined && pin === undefined ? undefined : await trustFor(found.server, options);
  const { token, ca: kept } = found.session;
  return connect({ kind: 'network', url: found.server, ca: given ?? kept, token });
}

/** `https://HOST[:PORT]` in the one form under which sessions are kept. */
export function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isBare = url?.pathname === '/' && url.search === '' && url.username === '' && url.password === '';
  if (url?.protocol === 'https:' && isBare) return url.origin;
  // Somebody may have typed a password into it.
  throw new CommandError(EXIT.misuse, "--server is not a server's URL: write https://HOST:PORT");
}

/** Opens, works, closes. */
export async function withConnection<T>(options: ConnectionOptions, work: (client: AdminClient) => Promise<T>) {
  const client = await openConnection(options);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
