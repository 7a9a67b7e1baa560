import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Change, Client, type Entry, type Filter, ResultCodeError } from 'ldapts';
import { createFramer } from './framing.ts';
import { afterListening } from './listening-time.ts';
import { PasswordPolicyControl, type PolicyState } from './password-policy.ts';

/** How one server of a directory is reached. */
export type Endpoint = {
  /** `ldap://HOST[:PORT]` or `ldaps://HOST[:PORT]`. */
  readonly url: string;
  readonly startTls: boolean;
  /** PEM; undefined: the CAs of this host. */
  readonly ca: string | undefined;
  /** The name in the server's certificate, where it is not the URL's. */
  readonly tlsServerName: string | undefined;
};

/** What a server says of a refusal goes to the log; Active Directory's sub-codes stand within the first hundred characters. */
const MAX_DIAGNOSTIC = 300;

/** The server gave no answer: not reached, cut, silent for too long, or busy with itself. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  /** It was waited for in vain; else the connection was cut or refused. */
  readonly silent: boolean;
  constructor(message: string, options: ErrorOptions & { readonly silent?: boolean } = {}) {
    super(message.slice(0, MAX_DIAGNOSTIC), options);
    this.silent = options.silent ?? false;
  }
}

/** The server refused an operation, with its LDAP result code. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: number;
  constructor(code: number, diagnostic: string) {
    super(diagnostic.slice(0, MAX_DIAGNOSTIC));
    this.code = code;
  }
}

/** LDAP result codes that say "not now, not this server": busy, unavailable (RFC 4511, A.1). */
const SERVER_TROUBLE: readonly number[] = [51, 52];

export type BindResult =
  | { readonly kind: 'bound'; readonly policy: PolicyState }
  | { readonly kind: 'refused'; readonly code: number; readonly diagnostic: string; readonly policy: PolicyState };

export type Search = {
  readonly base: string;
  readonly scope: 'base' | 'one' | 'sub';
  readonly filter?: Filter;
  readonly attributes: readonly string[];
  /** Those that are bytes. */
  readonly binary?: readonly string[];
  readonly sizeLimit?: number;
  readonly paged?: boolean;
};

/**
 * One connection to one LDAP server. Every operation ends by its deadline, and rejects with NoAnswer or Refused. Referrals are never
 * followed. After NoAnswer the connection is closed: what it was asked may still be done, or not.
 */
export type Connection = {
  readonly isOpen: boolean;
  /** The last bind succeeded: what is read is read in that name. */
  readonly isBound: boolean;
  /** Monotonic ms of the last answer. */
  readonly heardAtMs: number;
  bind(dn: string, password: string, deadlineMs: number): Promise<BindResult>;
  search(search: Search, deadlineMs: number): Promise<readonly Entry[]>;
  modify(dn: string, changes: readonly Change[], deadlineMs: number): Promise<void>;
  extended(oid: string, value: Buffer, deadlineMs: number): Promise<void>;
  close(): void;
};

export type Timing = { monotonicMs(): number; after(delayMs: number, action: () => void): () => void };

/** Connects, with TLS where that is asked for. Rejects with NoAnswer. */
export async function openConnection(endpoint: Endpoint, deadlineMs: number, timing: Timing): Promise<Connection> {
  const host = new URL(endpoint.url).hostname.replaceAll(/[[\]]/g, '');
  const tls = {
    ...(endpoint.ca !== undefined && { ca: endpoint.ca }),
    ...(endpoint.tlsServerName !== undefined && { servername: endpoint.tlsServerName }),
  };
  const sockets: (Socket | TLSSocket)[] = [];
  const keep = <S extends Socket>(socket: S): S => {
    sockets.push(socket);
    socket.setNoDelay(true);
    return inWholeMessages(socket);
  };
  const client = new Client({
    url: endpoint.url,
    ...(endpoint.url.startsWith('ldaps:') && { tlsOptions: { minVersion: 'TLSv1.2', ...tls } }),
    createConnection: ((...given: Parameters<typeof connectTcp>) => keep(connectTcp(...given))) as typeof connectTcp,
    createSecureConnection: ((...given: Parameters<typeof connectTls>) =>
      keep(connectTls(...given))) as typeof connectTls,
  });
  let isClosed = false;
  let heardAtMs = timing.monotonicMs();

  function close(): void {
    isClosed = true;
    for (const socket of sockets) socket.destroy();
  }

  /** Its own deadline: a library's timer would not end a handshake that hangs. */
  function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
    if (isClosed) return Promise.reject(new NoAnswer('the connection is closed'));
    return new Promise<T>((resolve, reject) => {
      const stop = afterListening(timing, Math.max(ms, 0), () => {
        reject(new NoAnswer(`no answer within ${Math.round(ms)} ms`, { silent: true }));
        close();
      });
      work()
        .then(
          value => {
            heardAtMs = timing.monotonicMs();
            resolve(value);
          },
          (error: unknown) => reject(translated(error)),
        )
        .finally(stop);
    });
  }

  function translated(error: unknown): Error {
    if (error instanceof ResultCodeError && !SERVER_TROUBLE.includes(error.code)) {
      heardAtMs = timing.monotonicMs();
      return new Refused(error.code, error.message);
    }
    close();
    return new NoAnswer(error instanceof Error ? error.message : 'no answer', { cause: error });
  }

  const opening = within(deadlineMs, async () => {
    // Any operation connects. The root of the tree may be read by everybody (RFC 4512, 5.1).
    const connected = endpoint.startTls
      ? client.startTLS({ minVersion: 'TLSv1.2', host, ...(isIP(host) === 0 && { servername: host }), ...tls })
      : client.search('', { scope: 'base', attributes: ['supportedLDAPVersion'] });
    await connected;
  });
  // Who refuses StartTLS is of no use: the next server is asked.
  await opening.catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    close();
    throw new NoAnswer(`it lets nobody begin (LDAP ${error.code}): ${error.message}`, { cause: error });
  });

  return {
    get isOpen() {
      return !isClosed && client.isConnected;
    },
    get isBound() {
      return client.isBound;
    },
    get heardAtMs() {
      return heardAtMs;
    },
    async bind(dn, password, ms) {
      // A bind without a password succeeds for everybody (RFC 4513, 5.1.2): it proves nothing.
      if (password === '' || dn === '') throw new TypeError('a bind needs a name and a password');
      const control = new PasswordPolicyControl();
      try {
        await within(ms, () => client.bind(dn, password, control));
        return { kind: 'bound', policy: control.state };
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        return { kind: 'refused', code: error.code, diagnostic: error.message, policy: control.state };
      }
    },
    search: ({ base, scope, filter, attributes, binary = [], sizeLimit, paged = false }, ms) =>
      within(ms, async () => {
        const { searchEntries } = await client.search(base, {
          ...{ scope, attributes: [...attributes], explicitBufferAttributes: [...binary], paged },
          ...(filter !== undefined && { filter }),
          ...(sizeLimit !== undefined && { sizeLimit }),
          timeLimit: Math.ceil(ms / 1000),
        });
        return searchEntries;
      }),
    modify: (dn, changes, ms) => within(ms, () => client.modify(dn, [...changes])),
    extended: (oid, value, ms) => within(ms, async () => void (await client.exop(oid, value))),
    close,
  };
}

/** Whoever listens to its data hears one whole, well-formed message at a time; what is none ends the connection. */
function inWholeMessages<S extends Socket>(socket: S): S {
  const framer = createFramer();
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...given: unknown[]) => boolean;
  socket.emit = (event: string | symbol, ...given: unknown[]): boolean => {
    if (event !== 'data') return emit(event, ...given);
    const { messages, broken } = framer.push(given[0] as Buffer);
    for (const message of messages) if (!socket.destroyed) emit('data', message);
    if (broken !== undefined) socket.destroy();
    return true;
  };
  return socket;
}
