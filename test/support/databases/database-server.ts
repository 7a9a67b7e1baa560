// A database server as tests handle it: one process of one kind, in a folder of its own.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { freePort } from '../loopback.ts';
import type { Running } from '../processes.ts';
import { startProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';

export type DatabaseKind = 'mariadb' | 'mysql';
export type Row = Readonly<Record<string, unknown>>;

export type DatabaseServer = AsyncDisposable & {
  readonly kind: DatabaseKind;
  /** As the server says it. */
  readonly version: string;
  /** Where it listens, and where others reach it. */
  readonly host: string;
  readonly port: number;
  readonly socketPath: string;
  readonly folder: string;
  readonly dataFolder: string;
  /** Of the process that runs, or that ran last. */
  readonly pid: number;
  isRunning(): boolean;
  /** One statement as root over the socket, which no broken network hinders. */
  rootQuery(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Several statements as root, one after the other in one session. */
  rootScript(sql: string): Promise<void>;
  /** Power off: SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** SIGSTOP: it answers nothing, but its connections stay. */
  freeze(): Promise<void>;
  thaw(): void;
  /** A planned end: SIGTERM, and waits for it. */
  stop(): Promise<void>;
  /** Stops it if it runs, starts it again on the same data and port, and waits until it answers. */
  restart(): Promise<void>;
  /** Now, and at every later start: as a slave should be, which its replication alone may write to. */
  setReadOnly(on: boolean): Promise<void>;
  /** PEM file of the CA that its own certificate is from; none when it offers no TLS. */
  readonly caFile: string | undefined;
  /** `mysql://…` as a server of the site takes it. */
  url(user: string, password: string, database: string): string;
};

/** PEM files. The client's is for `REQUIRE X509` accounts. */
export type DatabaseTls = {
  readonly caFile: string;
  readonly serverCertificateFile: string;
  readonly serverKeyFile: string;
  readonly clientCertificateFile: string;
  readonly clientKeyFile: string;
};

export type DatabaseOptions = {
  /** Its own: made if it is not there, removed when the server is disposed of. */
  readonly folder: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly bindAddress?: string;
  /** Of replication. Default 1. */
  readonly serverId?: number;
  /** Certificates for it; else MySQL makes its own, which name no host, and MariaDB offers no TLS. */
  readonly tls?: DatabaseTls;
  /** More options of the server program, `--name=value`; they win over the defaults. */
  readonly options?: readonly string[];
  /** Those that only the very first start has. */
  readonly firstOptions?: readonly string[];
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** The host of `network/network.ts` that it runs on. */
  readonly inside?: { readonly command: readonly string[] };
};

/** What the two kinds do differently. */
export type DatabaseProgram = {
  readonly kind: DatabaseKind;
  /** Fills the data folder before the first start. */
  prepare(dataFolder: string): Promise<void>;
  /** Up to its own options; those that both kinds have come after them. */
  command(dataFolder: string): readonly [string, ...string[]];
  readonly readOnlyOption: 'read_only' | 'super_read_only';
  /** The CA that it makes for itself in its data folder. */
  readonly ownCaFile?: string;
};

/** `sun_path` of Linux, without the zero at its end. */
const SOCKET_PATH_MAX_BYTES = 107;
/** One that recovers after SIGKILL, on a busy machine with two cores. */
const START_PATIENCE_MS = 60_000;

export async function startDatabase(program: DatabaseProgram, options: DatabaseOptions): Promise<DatabaseServer> {
  const { folder, bindAddress: host = '127.0.0.1', port = await freePort(), serverId = 1, tls } = options;
  const dataFolder = join(folder, 'data');
  const temporaryFolder = join(folder, 'tmp');
  const socketPath = join(folder, 'db.sock');
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_MAX_BYTES) {
    throw new Error(`the path of a socket has at most ${SOCKET_PATH_MAX_BYTES} bytes: ${socketPath}`);
  }
  let running: Running | undefined;
  let isReadOnly = false;
  const command = () =>
    [
      ...program.command(dataFolder),
      `--datadir=${dataFolder}`,
      `--tmpdir=${temporaryFolder}`,
      `--socket=${socketPath}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--bind-address=${host}`,
      `--port=${port}`,
      `--server-id=${serverId}`,
      '--skip-name-resolve',
      ...(tls === undefined ? [] : tlsOptions(tls)),
      ...(options.options ?? []),
      ...(running === undefined ? (options.firstOptions ?? []) : []),
      `--${program.readOnlyOption}=${isReadOnly ? 'ON' : 'OFF'}`,
    ] as const;
  const end = async (signal: NodeJS.Signals) => {
    running?.signal(signal);
    await running?.exited;
  };
  const dispose = async () => {
    await end('SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  const asRoot = async <T>(use: (connection: Connection) => Promise<T>, multipleStatements = false) => {
    const connection = await createConnection({
      socketPath,
      user: 'root',
      timezone: 'Z',
      multipleStatements,
    });
    // Told to whoever waits for an answer; without a listener it would end the test process.
    connection.on('error', () => {});
    try {
      return await use(connection);
    } finally {
      connection.destroy();
    }
  };
  const rootQuery: DatabaseServer['rootQuery'] = (sql, values = []) =>
    asRoot(async connection => {
      const [rows] = await connection.query<RowDataPacket[]>(sql, [...values]);
      return Array.isArray(rows) ? rows : [];
    });
  const start = async () => {
    const started = startProgram({
      name: program.kind,
      command: command(),
      logs: folder,
      env: options.env ?? {},
      ...(options.inside === undefined ? {} : { inside: options.inside }),
    });
    running = started;
    return waitFor(
      `${program.kind} in ${folder} to answer`,
      async () => {
        if (!started.isRunning()) throw new Error(`${program.kind} did not start:\n${started.stderr()}`);
        const [row] = await rootQuery('SELECT VERSION() AS version').catch(() => []);
        return row === undefined ? undefined : String(row.version);
      },
      START_PATIENCE_MS,
      started.stderr,
    );
  };

  try {
    await mkdir(temporaryFolder, { recursive: true, mode: 0o700 });
    await program.prepare(dataFolder);
    const version = await start();
    return {
      kind: program.kind,
      version,
      host,
      port,
      socketPath,
      folder,
      dataFolder,
      caFile: tls?.caFile ?? (program.ownCaFile === undefined ? undefined : join(dataFolder, program.ownCaFile)),
      get pid() {
        return running?.pid ?? -1;
      },
      isRunning: () => running?.isRunning() === true,
      rootQuery,
      rootScript: sql => asRoot(async connection => void (await connection.query(sql)), true),
      kill: () => end('SIGKILL'),
      freeze: async () => await running?.freeze(),
      thaw: () => running?.signal('SIGCONT'),
      stop: () => end('SIGTERM'),
      restart: async () => {
        if (running?.isRunning()) await end('SIGTERM');
        await start();
      },
      setReadOnly: async on => {
        isReadOnly = on;
        // On MySQL, without `super` it would stay read-only for everybody else.
        const off = program.readOnlyOption === 'super_read_only' && !on ? ', GLOBAL read_only = OFF' : '';
        await rootQuery(`SET GLOBAL ${program.readOnlyOption} = ${on ? 'ON' : 'OFF'}${off}`);
      },
      url: (user, password, database) =>
        `mysql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}/${database}`,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

const tlsOptions = ({ caFile, serverCertificateFile, serverKeyFile }: DatabaseTls) => [
  `--ssl-ca=${caFile}`,
  `--ssl-cert=${serverCertificateFile}`,
  `--ssl-key=${serverKeyFile}`,
];

/** Without it the programs refuse to run as root. */
export const AS_ROOT: readonly string[] = process.getuid?.() === 0 ? ['--user=root'] : [];
