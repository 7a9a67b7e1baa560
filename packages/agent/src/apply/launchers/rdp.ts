import { type ConnectionOf, type ExitMeaning, type LaunchPlan, launchOf, type Person } from './launch.ts';
import { rdpSettings, writeRdp } from './rdp-file.ts';

/** FreeRDP 3, then 2. */
const PROGRAMS = ['xfreerdp3', 'xfreerdp'] as const;

/** Exit codes of xfreerdp: the numbers behind `XF_EXIT_…`. */
const EXITS: Readonly<Record<number, ExitMeaning>> = {
  // Disconnected or logged off by the person or an administrator, idle, logged on elsewhere.
  0: 'ended',
  1: 'ended',
  2: 'ended',
  3: 'ended',
  4: 'ended',
  5: 'ended',
  11: 'ended',
  12: 'ended',
  // Denied, no privileges, fresh credentials required.
  7: 'refused',
  9: 'refused',
  10: 'refused',
  // Wrong or expired password; account locked, disabled, restricted or expired; no right to log on there.
  ...Object.fromEntries(
    [132, 134, 135, 144, 148, 149, 151, 152, 153, 154, 155, 156, 157, 158, 159].map(code => [code, 'refused' as const]),
  ),
};

const onOff = (name: string, value: boolean | undefined): readonly string[] =>
  value === undefined ? [] : [`${value ? '+' : '-'}${name}`];
const when = (is: boolean | undefined, ...args: readonly string[]): readonly string[] => (is === true ? args : []);

/** Who signs in there: whom the connection names, else, by single sign-on, who signed in here. */
export function remoteUser(connection: ConnectionOf<'rdp'>, person: Person): string | undefined {
  if (connection.user !== undefined) return connection.user;
  return connection.sso === true ? (person.user ?? undefined) : undefined;
}

/**
 * FreeRDP. The `.rdp` file has the whole connection; the arguments, which come after it and so count, say what such a file
 * cannot say, and again what both versions of FreeRDP have one word for. Gateway and RemoteApp are in the file alone: there
 * the versions differ.
 *
 * @see https://github.com/FreeRDP/FreeRDP/wiki/CommandLineInterface
 */
export function launchRdp(connection: ConnectionOf<'rdp'>, person: Person): LaunchPlan {
  const user = remoteUser(connection, person);
  const password = connection.sso === true && person.canSignOn ? 'stdin' : 'none';
  return launchOf({
    programs: PROGRAMS,
    args: [...freerdpArguments(connection, user), ...when(password === 'stdin', '/from-stdin:force')],
    file: { name: 'connection.rdp', content: writeRdp(rdpSettings(connection, user)) },
    password,
    exits: EXITS,
  });
}

function freerdpArguments(connection: ConnectionOf<'rdp'>, user: string | undefined): readonly string[] {
  const { host, port, domain, security = 'nla', audio } = connection;
  return [
    `/v:${port === undefined ? host : `${bracketed(host)}:${port}`}`,
    ...(user === undefined ? [] : [`/u:${user}`]),
    ...(domain === undefined ? [] : [`/d:${domain}`]),
    ...(connection.loadBalanceInfo === undefined ? [] : [`/load-balance-info:${connection.loadBalanceInfo}`]),
    `/title:${connection.title ?? connection.name}`,
    ...when(connection.fullscreen, '/f'),
    ...when(connection.monitors === 'all', '/multimon'),
    ...when(connection.dynamicResolution, '/dynamic-resolution'),
    ...(connection.colorDepth === undefined ? [] : [`/bpp:${connection.colorDepth}`]),
    ...onOff('clipboard', connection.clipboard),
    ...onOff('drives', connection.drives),
    ...when(connection.printers, '/printer'),
    ...when(connection.smartCards, '/smartcard'),
    ...when(connection.usb, '/usb:auto'),
    ...when(connection.microphone, '/microphone'),
    ...(audio === undefined ? [] : [`/audio-mode:${AUDIO_MODE[audio]}`, ...when(audio === 'local', '/sound')]),
    ...(security === 'nla' ? ['/sec:nla'] : ['/sec:tls']),
    // Nobody sits there to judge a certificate, and the password of a login goes to whoever answers.
    connection.certificate === 'first-use' ? '/cert:tofu' : '/cert:deny',
    '/log-level:WARN',
  ];
}

const AUDIO_MODE = { local: 0, remote: 1, off: 2 } as const;

/** An IPv6 address before a port. */
export function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
