import { isIP } from 'node:net';

/** Where an external database is, and how to log in there. Paths are absolute; files are read when a connection is made. */
export type MysqlAddress = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** As it stands in the URL. undefined: `passwordFile`, else the environment, else none. */
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  /** undefined: plain TCP. */
  readonly tls: MysqlTlsFiles | undefined;
};

export type MysqlTlsFiles = {
  readonly caFile: string;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** The name that must be in the server's certificate. */
  readonly serverName: string;
};

export type MysqlUrl =
  | { readonly kind: 'address'; readonly address: MysqlAddress /** With absolute paths. */; readonly url: string }
  /** One sentence for people; it never shows the URL, which may hold a password. */
  | { readonly kind: 'wrong'; readonly why: string };

export const MYSQL_SCHEMES = /^(?:mysql|mariadb):/;
const DEFAULT_PORT = 3306;
const FORM = 'mysql://USER:PASSWORD@HOST:PORT/NAME';
const FILES = ['ssl-ca', 'ssl-cert', 'ssl-key', 'password-file'] as const;
const PARAMETERS: readonly string[] = [...FILES, 'ssl', 'ssl-name'];
/** What InnoDB takes as a name (64 characters), less what would need care in SQL, shells and file names. */
const DATABASE_NAME = /^[\w$-]{1,64}$/;

/** Reads a `mysql://` or `mariadb://` URL. `absolute` says where relative paths begin. */
export function parseMysqlUrl(text: string, absolute: (path: string) => string): MysqlUrl {
  const wrong = (why: string): MysqlUrl => ({ kind: 'wrong', why });
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !MYSQL_SCHEMES.test(text) || url.hash !== '') {
    return wrong(`the database URL is not ${FORM}; write characters like @ / # ? of a password as %40 %2F %23 %3F`);
  }
  const [user, password, database] = [url.username, url.password, url.pathname.slice(1)].map(decoded);
  if (user === undefined || password === undefined || database === undefined) {
    return wrong('the database URL holds a % that is none of an escape; write a % itself as %25');
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '' || user === '') return wrong(`the database URL lacks ${host === '' ? 'HOST' : 'USER'}: ${FORM}`);
  if (!DATABASE_NAME.test(database)) {
    return wrong(`the database URL needs a database NAME of letters, digits, _, $ or -: ${FORM}`);
  }
  const query = url.searchParams;
  const unknown = [...query.keys()].find(name => !PARAMETERS.includes(name));
  if (unknown !== undefined) return wrong(`the database URL knows no ${unknown}; it knows ${PARAMETERS.join(', ')}`);
  const repeated = PARAMETERS.find(name => query.getAll(name).length > 1);
  if (repeated !== undefined) return wrong(`the database URL says ${repeated} twice`);
  for (const name of FILES) {
    const path = query.get(name);
    if (path === '') return wrong(`the database URL names no file: ${name}=FILE`);
    if (path !== null) query.set(name, absolute(path));
  }
  const given = (name: string) => query.get(name) ?? undefined;
  const passwordFile = given('password-file');
  if (password !== '' && passwordFile !== undefined) {
    return wrong('the database URL has a password and a password-file; give one of them');
  }
  const problem = tlsProblem(host, given);
  if (problem !== undefined) return wrong(problem);
  const caFile = given('ssl-ca');
  return {
    kind: 'address',
    url: url.href,
    address: {
      host,
      port: url.port === '' ? DEFAULT_PORT : Number(url.port),
      user,
      database,
      password: password === '' ? undefined : password,
      passwordFile,
      tls:
        caFile === undefined
          ? undefined
          : {
              caFile,
              certFile: given('ssl-cert'),
              keyFile: given('ssl-key'),
              serverName: given('ssl-name') ?? host,
            },
    },
  };
}

/** Without TLS a network sees every credential's key, and who sits in it can be the database. Loopback is no network. */
function tlsProblem(host: string, given: (name: string) => string | undefined): string | undefined {
  const [ca, cert, key, name, ssl] = ['ssl-ca', 'ssl-cert', 'ssl-key', 'ssl-name', 'ssl'].map(given);
  if (ssl !== undefined && ssl !== 'off') return 'the database URL knows ssl=off alone; TLS comes with ssl-ca=FILE';
  if (ssl === 'off' && [ca, cert, key, name].some(part => part !== undefined)) {
    return 'the database URL says ssl=off and how to use TLS; give one of them';
  }
  if (ca === undefined && [cert, key, name].some(part => part !== undefined)) {
    return 'the database URL needs ssl-ca=FILE, the CA that the database is known by, beside its other ssl options';
  }
  if ((cert === undefined) !== (key === undefined)) return 'the database URL needs ssl-cert and ssl-key together';
  if (ca === undefined && ssl === undefined && !isLoopback(host)) {
    return `the database at ${host} is reached over a network, so it needs TLS: add ?ssl-ca=FILE; ?ssl=off only on a network that nobody else can reach`;
  }
  return undefined;
}

function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
