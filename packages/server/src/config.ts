import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { isAbsolute, join, resolve } from 'node:path';
import { canonicalJson, describeProblems, ObjectName, parseJson, Uuid } from '@thinman/protocol';
import Type, { type Static } from 'typebox';
import { writeFileAtomically } from './identity/key-files.ts';
import { MYSQL_SCHEMES, parseMysqlUrl } from './record/dialects/mysql/address.ts';

/** What `server.json` of this build looks like; a folder of a newer ThinMan is refused, not guessed at. */
const FORMAT = 1;
const CONFIG_FILE = 'server.json';
const MAX_CONFIG_CHARS = 64 * 1024;
/** `sockaddr_un` holds 107 bytes and a zero (unix(7)); Node answers EINVAL for more. */
const MAX_SOCKET_PATH_BYTES = 107;

/** A server's own settings: what differs between two servers of one site. Everything else is in the site. */
export const ServerConfig = Type.Object(
  {
    format: Type.Literal(FORMAT),
    name: ObjectName,
    /** HOST:PORT that it listens on. */
    listen: Type.String({ maxLength: 300 }),
    /** How devices and other servers reach it. */
    url: Type.String({ maxLength: 512 }),
    /** `sqlite:PATH` or `mysql://…`: relative paths begin at the data folder. */
    database: Type.String({ maxLength: 4096 }),
    /** `init --accept-weak-durability`: a database that may lose what it has acknowledged was good enough. */
    acceptWeakDurability: Type.Optional(Type.Boolean()),
    /** Random UUID of this installation; the site row names the Primary's. */
    instance: Uuid,
    siteId: Uuid,
  },
  { additionalProperties: false },
);
export type ServerConfig = Static<typeof ServerConfig>;

/** Wrong use or refused input: exit code 2. The text says what is wrong and what to do, in one line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type DataFolder = {
  readonly path: string;
  readonly config: string;
  readonly caCertificate: string;
  readonly record: string;
  readonly replica: string;
  readonly journal: string;
  readonly journalReserve: string;
  /** Contents of files, by their hash. */
  readonly files: string;
  readonly adminSocket: string;
};

/** Where things lie in a server's data folder. Throws ConfigError when its path is too long for the admin socket. */
export function dataFolder(path: string): DataFolder {
  const absolute = resolve(path);
  const adminSocket = join(absolute, 'admin.sock');
  if (Buffer.byteLength(adminSocket) > MAX_SOCKET_PATH_BYTES) {
    throw new ConfigError(
      `the path of the data folder is too long: ${adminSocket} has more than ${MAX_SOCKET_PATH_BYTES} bytes, which no local socket can have; choose a shorter one`,
    );
  }
  return {
    path: absolute,
    config: join(absolute, CONFIG_FILE),
    caCertificate: join(absolute, 'ca.crt'),
    record: join(absolute, 'site.db'),
    replica: join(absolute, 'replica.db'),
    journal: join(absolute, 'journal.db'),
    journalReserve: join(absolute, 'journal.reserve'),
    files: join(absolute, 'files'),
    adminSocket,
  };
}

export function hasConfig(folder: DataFolder): boolean {
  return existsSync(folder.config);
}

/** Throws ConfigError: no server here, not readable, or of a newer version. */
export function readConfig(folder: DataFolder): ServerConfig {
  let text: string;
  try {
    text = readFileSync(folder.config, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new ConfigError(
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `${folder.path} is not the data folder of a server; make one with "thinman-server init" or "thinman-server join"`
        : `${folder.config} cannot be read (${code}); run as the user that owns it`,
    );
  }
  const format = formatOf(text);
  if (format !== undefined && format > FORMAT) {
    throw new ConfigError(`${folder.config} was written by a newer version of ThinMan; install that version again`);
  }
  const parsed = parseJson(ServerConfig, text, MAX_CONFIG_CHARS);
  if (!parsed.ok) {
    throw new ConfigError(
      `${folder.config} is not valid (${describeProblems(parsed.problems)}); put it back as it was`,
    );
  }
  return parsed.value;
}

/** Written last by init and join: a folder with it is a whole server. */
export function writeConfig(folder: DataFolder, config: Omit<ServerConfig, 'format'>): void {
  writeFileAtomically(folder.config, `${canonicalJson({ format: FORMAT, ...config })}\n`);
}

function formatOf(text: string): number | undefined {
  try {
    const { format } = JSON.parse(text) as { format?: unknown };
    return typeof format === 'number' ? format : undefined;
  } catch {
    return undefined;
  }
}

export type ListenAddress = { readonly host: string; readonly port: number };

/** `HOST:PORT`; IPv6 in brackets. Port 0 lets the system choose. Throws ConfigError. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) {
    throw new ConfigError(`--listen ${text} is not HOST:PORT; write for example 0.0.0.0:7443 or [::]:7443`);
  }
  return { host, port };
}

/** The address under which devices and servers reach this one: https, no path. Throws ConfigError, without what was typed: a password may be in it. */
export function parseServerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const bare =
    url?.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (url === undefined || url.protocol !== 'https:' || !bare || url.port === '0') {
    throw new ConfigError(
      '--url is not an https:// URL of a host alone; write for example https://thinman.example.org:7443',
    );
  }
  return url.origin;
}

export type DatabaseUrl =
  | { readonly kind: 'sqlite'; readonly url: string; readonly path: string }
  /** `passwordShown`: the password stands in the URL itself. */
  | { readonly kind: 'mysql'; readonly url: string; readonly passwordShown: boolean };

/**
 * `sqlite:PATH` or `mysql://…`, with its paths made absolute. Throws ConfigError; its text never shows the URL, which may
 * hold a password.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const path = /^sqlite:(.+)$/s.exec(text)?.[1];
  if (path !== undefined && !path.startsWith('//') && !path.includes('\0')) {
    const absolute = isAbsolute(path) ? path : resolve(path);
    return { kind: 'sqlite', url: `sqlite:${absolute}`, path: absolute };
  }
  if (MYSQL_SCHEMES.test(text)) {
    const parsed = parseMysqlUrl(text, file => resolve(file));
    if (parsed.kind === 'wrong') throw new ConfigError(`--database: ${parsed.why}`);
    return { kind: 'mysql', url: parsed.url, passwordShown: parsed.address.password !== undefined };
  }
  throw new ConfigError(
    '--database is neither sqlite:PATH (for example sqlite:/var/lib/thinman/site.db) nor mysql://USER:PASSWORD@HOST:PORT/NAME',
  );
}
