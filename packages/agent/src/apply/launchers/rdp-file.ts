import type { ConnectionOf } from './launch.ts';

/** One setting of a `.rdp` file: `s` a text, `i` a whole number. */
export type RdpSetting =
  | { readonly name: string; readonly type: 's'; readonly value: string }
  | { readonly name: string; readonly type: 'i'; readonly value: number };

const text = (name: string, value: string | undefined): readonly RdpSetting[] =>
  value === undefined ? [] : [{ name, type: 's', value }];
const flag = (name: string, value: boolean | undefined): readonly RdpSetting[] =>
  value === undefined ? [] : [{ name, type: 'i', value: value ? 1 : 0 }];
const number = (name: string, value: number | undefined): readonly RdpSetting[] =>
  value === undefined ? [] : [{ name, type: 'i', value }];
/** Everything or nothing of a kind of device. */
const all = (name: string, value: boolean | undefined): readonly RdpSetting[] =>
  value === undefined ? [] : [{ name, type: 's', value: value ? '*' : '' }];

const AUDIO = { local: 0, remote: 1, off: 2 } as const;

/**
 * A connection as settings of a `.rdp` file. `user` as it is to be proposed. No password: those of Microsoft's client are
 * sealed for one Windows account.
 *
 * @see https://learn.microsoft.com/azure/virtual-desktop/rdp-properties
 */
export function rdpSettings(connection: ConnectionOf<'rdp'>, user: string | undefined): readonly RdpSetting[] {
  const { host, port, domain, gateway, remoteApp, security = 'nla', certificate = 'trusted' } = connection;
  return [
    ...text('full address', host),
    ...number('server port', port),
    ...text('username', user),
    ...text('domain', domain),
    ...text('gatewayhostname', gateway),
    // Always through it; by the same name and password as the host.
    ...number('gatewayusagemethod', gateway === undefined ? undefined : 1),
    ...number('gatewaycredentialssource', gateway === undefined ? undefined : 0),
    ...number('promptcredentialonce', gateway === undefined ? undefined : 1),
    ...number('remoteapplicationmode', remoteApp === undefined ? undefined : 1),
    ...text('remoteapplicationprogram', remoteApp === undefined ? undefined : `||${remoteApp}`),
    ...text('remoteapplicationname', remoteApp === undefined ? undefined : (connection.title ?? remoteApp)),
    ...text('remoteapplicationcmdline', connection.remoteAppArguments),
    ...text('loadbalanceinfo', connection.loadBalanceInfo),
    ...number('screen mode id', connection.fullscreen === undefined ? undefined : connection.fullscreen ? 2 : 1),
    ...number('use multimon', connection.monitors === undefined ? undefined : connection.monitors === 'all' ? 1 : 0),
    ...flag('dynamic resolution', connection.dynamicResolution),
    ...number('session bpp', connection.colorDepth),
    ...flag('redirectclipboard', connection.clipboard),
    ...all('drivestoredirect', connection.drives),
    ...flag('redirectprinters', connection.printers),
    ...flag('redirectsmartcards', connection.smartCards),
    ...all('usbdevicestoredirect', connection.usb),
    ...flag('audiocapturemode', connection.microphone),
    ...all('camerastoredirect', connection.camera),
    ...number('audiomode', connection.audio === undefined ? undefined : AUDIO[connection.audio]),
    ...number('enablecredsspsupport', security === 'nla' ? 1 : 0),
    // 1: a server that proves nothing is not connected to; 2: the person is asked.
    ...number('authentication level', certificate === 'trusted' ? 1 : 2),
    ...flag('autoreconnection enabled', connection.reconnect !== undefined && connection.reconnect !== 'never'),
  ];
}

/** The text of a `.rdp` file. Values hold no control characters (`brokenField`). */
export function writeRdp(settings: readonly RdpSetting[]): string {
  return settings.map(({ name, type, value }) => `${name}:${type}:${value}\r\n`).join('');
}

/** Reads what `writeRdp` and Microsoft's clients write; lines that are no setting are left out. */
export function readRdp(content: string): readonly RdpSetting[] {
  return content.split(/\r?\n/).flatMap((line): readonly RdpSetting[] => {
    // `s`: line separators of Unicode end no line here, and may stand in a name.
    const found = /^([^:]+):([si]):(.*)$/su.exec(line);
    const [, name = '', type, value = ''] = found ?? [];
    if (type === 's') return [{ name, type, value }];
    return type === 'i' && /^-?\d+$/.test(value) ? [{ name, type, value: Number(value) }] : [];
  });
}
