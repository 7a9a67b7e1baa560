import { connect as connectTcp, type Socket } from 'node:net';
import { type Connection, createConnection, type SslOptions } from 'mysql2';
import type { MysqlAddress } from './address.ts';
import { ConnectionLost, refusalToConnect, SqlError } from './sql-errors.ts';

/**
 * An attempt to connect ends after this. Longer than anybody waits for it: whoever asks next takes the same attempt, so a
 * hung database gets one, not many, and its first sign of life is heard at once. Short enough that a new attempt comes
 * before TCP itself would ask again (after 1, 3, 7 s).
 */
const CONNECT_DEADLINE_MS = 5_000;
/** TCP's own question whether the other side is there, for connections that nobody uses. */
const KEEP_ALIVE_AFTER_MS = 10_000;

export type Row = Readonly<Record<string, unknown>>;
export type SqlAnswer = { readonly rows: readonly Row[]; readonly affectedRows: number; readonly insertId: number };

/** One connection. Every question has a deadline, and one that is not kept ends the connection: it is of no use any more. */
export type SqlConnection = {
  /** Rejects with SqlError (the database's answer) or ConnectionLost (none). `silenceMs`: longest time without any byte. */
  query(sql: string, values: readonly unknown[], silenceMs: number): Promise<SqlAnswer>;
  ping(deadlineMs: number): Promise<void>;
  isLost(): boolean;
  /** At once, as seen by the other side too: it rolls back what is open, as soon as it looks. */
  destroy(): void;
  /** Takes leave, so that the database logs no broken connection. */
  end(): void;
};

export type ConnectSecrets = { readonly password: string | undefined; readonly ssl: SslOptions | undefined };

/** Connects and logs in. Rejects with SqlError or ConnectionLost. */
export function openConnection(
  address: MysqlAddress,
  { password, ssl }: ConnectSecrets,
  signal: AbortSignal,
): Promise<SqlConnection> {
  const { host, port, user, database, tls } = address;
  const socket = connectTcp({ host, port, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS, noDelay: true });
  // What Node holds a certificate against where the host is an IP address. Without it, it would be 'localhost'.
  if (tls !== undefined) Object.assign(socket, { _host: tls.serverName });
  const raw = createConnection({
    stream: () => socket,
    host: tls?.serverName ?? host,
    ...{ user, database, connectTimeout: CONNECT_DEADLINE_MS },
    ...(password === undefined ? {} : { password }),
    ...(ssl === undefined ? {} : { ssl }),
    charset: 'utf8mb4_bin',
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    // An object as a value would become SQL of its own.
    stringifyObjects: true,
    multipleStatements: false,
    // Nobody reads files of this host because a database asks for them.
    flags: ['-LOCAL_FILES'],
  });
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', giveUp);
      raw.on('error', () => {});
      socket.destroy();
      reject(refusalToConnect(sqlErrorOf(error)));
    };
    const giveUp = () => fail(new Error('it was given up'));
    signal.addEventListener('abort', giveUp);
    raw.once('connect', () => {
      raw.off('error', fail);
      signal.removeEventListener('abort', giveUp);
      resolve(connectionOn(raw, socket));
    });
    raw.once('error', fail);
  });
}

function connectionOn(raw: Connection, socket: Socket): SqlConnection {
  let lost = false;
  const lose = () => {
    lost = true;
  };
  // Told to whoever waits for an answer as well; without a listener it would end the process.
  raw.on('error', lose);
  socket.once('close', lose);

  function destroy(): void {
    lost = true;
    if (!socket.destroyed) socket.resetAndDestroy();
  }

  function ask<T>(silenceMs: number, start: (done: (error: unknown, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const stopWatching = watchSilence(socket, silenceMs, () => {
        destroy();
        reject(new ConnectionLost(`it has not answered for ${silenceMs} ms`, { silent: true }));
      });
      start((error, value) => {
        stopWatching();
        if (error === null || error === undefined) return resolve(value);
        const failure = sqlErrorOf(error);
        // Told here alone, and the socket's end comes later: whoever took this connection meanwhile would fail again at once,
        // for ever, and nothing else would ever run.
        if (failure instanceof ConnectionLost || (error as { fatal?: unknown }).fatal === true) destroy();
        reject(failure);
      });
    });
  }

  return {
    query: async (sql, values, silenceMs) => {
      const answer = await ask<unknown>(silenceMs, done => {
        raw.query({ sql, values: [...values] }, (error: unknown, result: unknown) => done(error, result));
      });
      if (Array.isArray(answer)) return { rows: answer as Row[], affectedRows: 0, insertId: 0 };
      const { affectedRows = 0, insertId = 0 } = answer as { affectedRows?: number; insertId?: number };
      return { rows: [], affectedRows, insertId };
    },
    ping: deadlineMs => ask<void>(deadlineMs, done => raw.ping(error => done(error))),
    isLost: () => lost,
    destroy,
    end() {
      lost = true;
      raw.end(() => socket.destroy());
      setTimeout(destroy, LEAVE_DEADLINE_MS).unref();
    },
  };
}

/** A hung database does not take leave. */
const LEAVE_DEADLINE_MS = 250;

/** Calls `onSilence` once, when nothing at all has arrived for so long. */
function watchSilence(socket: Socket, silenceMs: number, onSilence: () => void): () => void {
  let heard = socket.bytesRead;
  const look = () => {
    // What arrived while this thread was busy has been read by then: the other side is not blamed for it.
    setImmediate(() => {
      if (stopped) return;
      if (socket.bytesRead === heard) return onSilence();
      heard = socket.bytesRead;
      timer = setTimeout(look, silenceMs);
    });
  };
  let stopped = false;
  let timer = setTimeout(look, silenceMs);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/** mysql2's errors carry the statement with its values: those must not be passed on. */
function sqlErrorOf(error: unknown): Error {
  const { errno, sqlState, message, code } = error as NodeJS.ErrnoException & { sqlState?: unknown };
  const answered = typeof sqlState === 'string' && typeof errno === 'number';
  if (answered && !isOfProxy(errno)) return new SqlError(errno, message);
  if (answered) return new ConnectionLost(`the connection failed: a proxy in front of it says "${message}" (${errno})`);
  return new ConnectionLost(`the connection failed: ${LOST_WORDS[code ?? ''] ?? message}`);
}

/**
 * No database sends these numbers; proxies do, of a database that they do not reach or have lost in the middle: MySQL Router
 * those that clients give to errors of their own (CR_…), ProxySQL 9001 and what follows.
 * @see https://dev.mysql.com/doc/mysql-errors/9.0/en/client-error-reference.html
 */
const isOfProxy = (errno: number) => (errno >= 2_000 && errno < 3_000) || (errno >= 9_000 && errno < 10_000);

/** What does not explain itself. */
const LOST_WORDS: Readonly<Record<string, string>> = {
  PROTOCOL_CONNECTION_LOST: 'it was closed by the other side',
  ECONNREFUSED: 'nothing listens there',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no way to this host',
  ENOTFOUND: 'there is no host of this name',
  HANDSHAKE_NO_SSL_SUPPORT: 'it knows no TLS; set ssl_cert and ssl_key there',
};
