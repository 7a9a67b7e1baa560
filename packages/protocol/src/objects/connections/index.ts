import Type, { type Static } from 'typebox';
import { AvdConnection, CitrixConnection, HorizonConnection, RdpConnection, VncConnection } from './desktops.ts';
import { SshConnection, WebConnection } from './programs.ts';

export { AvdConnection, CitrixConnection, HorizonConnection, RdpConnection, VncConnection } from './desktops.ts';
export { SshConnection, WebConnection } from './programs.ts';
export { CONNECTION_FIELD_WORDS, CONNECTION_TYPE_WORDS, NOT_TOLD_TO_CLIENT } from './words.ts';

/** Schema by `type`. */
export const CONNECTION_TYPES = {
  rdp: RdpConnection,
  citrix: CitrixConnection,
  horizon: HorizonConnection,
  avd: AvdConnection,
  web: WebConnection,
  ssh: SshConnection,
  vnc: VncConnection,
} as const;

export const Connection = Type.Union([
  RdpConnection,
  CitrixConnection,
  HorizonConnection,
  AvdConnection,
  WebConnection,
  SshConnection,
  VncConnection,
]);
/** One thing that a user opens from a thin client. */
export type Connection = Static<typeof Connection>;
