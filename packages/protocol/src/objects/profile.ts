import Type, { type Static } from 'typebox';
import { closed, description } from './shape.ts';

const ConnectionName = Type.String({
  pattern: '^[^\\u0000-\\u001f/\\\\]{1,64}$',
  description: 'a name of 1 to 64 characters without / and \\',
});
const Host = Type.String({ pattern: '^[A-Za-z0-9._:\\[\\]-]{1,253}$', description: 'a host like rds.example.org' });
const Port = Type.Integer({ minimum: 1, maximum: 65535 });
const WebUrl = Type.String({
  pattern: '^https?://[^\\s]+$',
  maxLength: 2048,
  description: 'a URL like https://wiki.example.org',
});

const common = {
  name: ConnectionName,
  title: Type.Optional(Type.String({ maxLength: 128 })),
  autostart: Type.Optional(Type.Boolean()),
  /** Place on the screen: lower first, then by name. */
  order: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
};

/** Remote Desktop: a host, or through a gateway. */
export const RdpConnection = closed({
  ...common,
  type: Type.Literal('rdp'),
  host: Host,
  port: Type.Optional(Port),
  remoteApp: Type.Optional(Type.String({ maxLength: 256 })),
  gateway: Type.Optional(Host),
  domain: Type.Optional(Type.String({ maxLength: 128 })),
});
/** Citrix: a StoreFront and what to open there. */
export const CitrixConnection = closed({
  ...common,
  type: Type.Literal('citrix'),
  storeUrl: WebUrl,
  application: Type.Optional(Type.String({ maxLength: 256 })),
});
/** Omnissa (VMware) Horizon. */
export const HorizonConnection = closed({
  ...common,
  type: Type.Literal('horizon'),
  host: Host,
  desktop: Type.Optional(Type.String({ maxLength: 256 })),
  protocol: Type.Optional(Type.Union([Type.Literal('blast'), Type.Literal('pcoip'), Type.Literal('rdp')])),
});
/** Azure Virtual Desktop and Windows 365. */
export const AvdConnection = closed({
  ...common,
  type: Type.Literal('avd'),
  workspaceUrl: WebUrl,
  resource: Type.Optional(Type.String({ maxLength: 256 })),
});
/** A page in the browser. */
export const WebConnection = closed({
  ...common,
  type: Type.Literal('web'),
  url: WebUrl,
  kiosk: Type.Optional(Type.Boolean()),
});
/** A terminal on a host. */
export const SshConnection = closed({
  ...common,
  type: Type.Literal('ssh'),
  host: Host,
  port: Type.Optional(Port),
  user: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9._@$-]{1,128}$', description: 'a user name without spaces' })),
});

/** Schema by `type`. */
export const CONNECTION_TYPES = {
  rdp: RdpConnection,
  citrix: CitrixConnection,
  horizon: HorizonConnection,
  avd: AvdConnection,
  web: WebConnection,
  ssh: SshConnection,
} as const;

export const Connection = Type.Union([
  RdpConnection,
  CitrixConnection,
  HorizonConnection,
  AvdConnection,
  WebConnection,
  SshConnection,
]);
/** One thing that a user opens from a thin client. */
export type Connection = Static<typeof Connection>;

/** Connections by name: a stronger level's connection replaces a weaker one's of the same name, whole. */
export const ProfileBody = closed({ description, connections: Type.Array(Connection, { maxItems: 200 }) });
export type ProfileBody = Static<typeof ProfileBody>;

/** What is deployed. */
export const EffectiveProfile = Type.Object({ connections: Type.Array(Connection) });
export type EffectiveProfile = Static<typeof EffectiveProfile>;
