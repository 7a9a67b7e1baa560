import type { Clock } from '../ports.ts';
import { type Connection, type Endpoint, NoAnswer } from './connection.ts';

export type ServiceAccount = { readonly dn: string; readonly password: string };

/** One server of a directory with its open connections. */
export type LdapServer = {
  readonly url: string;
  /** Bound as the service account, or as nobody; many use it at once. Has just shown life. Rejects with NoAnswer. */
  service(deadlineMs?: number): Promise<Connection>;
  /** A connection for the bind of a user, used by nobody else meanwhile. Has just shown life: what is sent now arrives. */
  withBinder<T>(use: (connection: Connection) => Promise<T>): Promise<T>;
  /** Whether it lives, seen over a connection of its own. */
  lives(): Promise<boolean>;
  /** Closes what is open. */
  drop(): void;
};

/** A connection within a site and its handshake. A device's login has 4 s in all. */
const CONNECT_MS = 1_000;
/** A read of the root entry: 1 ms within a building; whoever takes longer than this is not waited for. */
const LIFE_MS = 700;
/** Who answered so lately lives. */
const FRESH_MS = 250;
/** The bind of the service account. */
const SERVICE_BIND_MS = 1_000;
/** A refused service account is not tried again for so long: an administrator has to mend it, and the directory counts. */
const REFUSED_FOR_MS = 30_000;
/** Connections that rest between logins: as many as the queue lets in. */
const MAX_IDLE = 16;

const INVALID_CREDENTIALS = 49;

export function ldapServer(
  endpoint: Endpoint,
  account: ServiceAccount | undefined,
  open: (endpoint: Endpoint, deadlineMs: number) => Promise<Connection>,
  clock: Clock,
): LdapServer {
  let shared: Promise<Connection> | undefined;
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  const idle: Connection[] = [];

  async function connectService(deadlineMs: number): Promise<Connection> {
    if (clock.monotonicMs() - refusedAtMs < REFUSED_FOR_MS) throw refusedAccount();
    const connection = await open(endpoint, Math.max(deadlineMs, CONNECT_MS));
    if (account === undefined) return connection;
    const result = await connection.bind(account.dn, account.password, SERVICE_BIND_MS);
    if (result.kind === 'bound') return connection;
    connection.close();
    if (result.code === INVALID_CREDENTIALS) refusedAtMs = clock.monotonicMs();
    throw refusedAccount(
      result.code === INVALID_CREDENTIALS ? `wrong name or password (${result.diagnostic.trim()})` : result.diagnostic,
    );
  }

  async function shownLife(connection: Connection): Promise<Connection> {
    if (!connection.isOpen) throw new NoAnswer('the connection was closed');
    if (clock.monotonicMs() - connection.heardAtMs > FRESH_MS) await readRoot(connection);
    return connection;
  }

  /** Twice at most: one that was closed while it rested says nothing of the server. */
  async function service(deadlineMs = CONNECT_MS): Promise<Connection> {
    const resting = await shared?.catch(() => undefined);
    if (resting?.isOpen === true) {
      try {
        return await shownLife(resting);
      } catch (error) {
        // Silence is the server's; a connection that was cut while it rested says nothing of it.
        if (error instanceof NoAnswer && error.silent) throw error;
      }
      if (shared !== undefined && (await shared.catch(() => undefined)) === resting) shared = undefined;
    } else if (resting !== undefined) shared = undefined;
    shared ??= connectService(deadlineMs);
    const opening = shared;
    try {
      return await opening;
    } catch (error) {
      if (shared === opening) shared = undefined;
      throw error;
    }
  }

  async function binder(): Promise<Connection> {
    const resting = idle.pop();
    if (resting === undefined) return open(endpoint, CONNECT_MS);
    try {
      if (resting.isOpen) await readRoot(resting);
    } catch (error) {
      resting.close();
      if (error instanceof NoAnswer && error.silent) throw error;
    }
    return resting.isOpen ? resting : open(endpoint, CONNECT_MS);
  }

  return {
    url: endpoint.url,
    service,
    async withBinder(use) {
      const connection = await binder();
      try {
        return await use(connection);
      } finally {
        if (connection.isOpen && idle.length < MAX_IDLE) idle.push(connection);
        else connection.close();
      }
    },
    async lives() {
      try {
        const connection = await open(endpoint, LIFE_MS);
        connection.close();
        return true;
      } catch {
        return false;
      }
    },
    drop() {
      for (const connection of idle.splice(0)) connection.close();
      void shared?.then(connection => connection.close()).catch(() => {});
      shared = undefined;
    },
  };
}

async function readRoot(connection: Connection): Promise<void> {
  await connection.search({ base: '', scope: 'base', attributes: ['supportedLDAPVersion'] }, LIFE_MS);
}

function refusedAccount(why = 'it was refused a moment ago'): NoAnswer {
  return new NoAnswer(`the directory refuses its service account (bindDn, bindPassword): ${why}`);
}
