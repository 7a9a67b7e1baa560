import { type ConnectionOf, type ExitMeaning, type LaunchPlan, launchOf } from './launch.ts';
import { bracketed } from './rdp.ts';

const PERCENT = 100;

/** What a managed browser must know of its device. */
export type BrowserSettings = {
  /** `network.proxy.url`; empty: none. */
  readonly proxyUrl?: string | undefined;
  readonly proxyExceptions?: readonly string[] | undefined;
};

/**
 * Chromium; `private`: nothing is kept of what was looked at.
 *
 * @see https://peter.sh/experiments/chromium-command-line-switches/
 */
export function launchWeb(
  { url, kiosk, private: isPrivate, zoomPercent }: ConnectionOf<'web'>,
  { proxyUrl = '', proxyExceptions = [] }: BrowserSettings = {},
): LaunchPlan {
  return launchOf({
    programs: ['chromium', 'chromium-browser', 'google-chrome'],
    args: [
      '--no-first-run',
      '--no-default-browser-check',
      '--noerrdialogs',
      '--disable-session-crashed-bubble',
      // A keyring would ask the person for a password of its own.
      '--password-store=basic',
      ...(kiosk === true ? ['--kiosk'] : []),
      ...(isPrivate === true ? ['--incognito'] : []),
      ...(zoomPercent === undefined ? [] : [`--force-device-scale-factor=${zoomPercent / PERCENT}`]),
      ...(proxyUrl === '' ? [] : [`--proxy-server=${proxyUrl}`]),
      ...(proxyUrl === '' || proxyExceptions.length === 0 ? [] : [`--proxy-bypass-list=${proxyExceptions.join(';')}`]),
      ...(kiosk === true ? [url] : ['--new-window', url]),
    ],
    password: 'none',
    exits: {},
  });
}

/** 255: ssh itself; all else is what ran there. */
const SSH_EXITS: Readonly<Record<number, ExitMeaning>> = { 255: 'failed' };

/** ssh in a terminal. A key that is not known yet is taken; one that has changed is refused. */
export function launchSsh(connection: ConnectionOf<'ssh'>): LaunchPlan {
  return launchOf({
    programs: ['x-terminal-emulator', 'xterm'],
    args: ['-T', connection.title ?? connection.name, '-e', 'ssh', ...sshArguments(connection)],
    password: 'none',
    exits: SSH_EXITS,
  });
}

export function sshArguments({ host, port, user, command }: ConnectionOf<'ssh'>): readonly string[] {
  return [
    ...['-o', 'StrictHostKeyChecking=accept-new', '-o', 'ServerAliveInterval=15', '-o', 'ServerAliveCountMax=3'],
    ...(port === undefined ? [] : ['-p', `${port}`]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(command === undefined ? [] : ['-t']),
    '--',
    host.replace(/^\[(.*)\]$/, '$1'),
    ...(command === undefined ? [] : [command]),
  ];
}

/** TigerVNC, or another viewer that takes its words. */
export function launchVnc({ host, port, viewOnly, fullscreen, monitors }: ConnectionOf<'vnc'>): LaunchPlan {
  return launchOf({
    programs: ['xtigervncviewer', 'vncviewer'],
    args: [
      ...(fullscreen === true ? ['-FullScreen=1'] : []),
      ...(monitors === undefined ? [] : [`-FullScreenMode=${monitors === 'all' ? 'all' : 'current'}`]),
      ...(viewOnly === true ? ['-ViewOnly=1'] : []),
      port === undefined ? host : `${bracketed(host)}::${port}`,
    ],
    password: 'none',
    exits: {},
  });
}
