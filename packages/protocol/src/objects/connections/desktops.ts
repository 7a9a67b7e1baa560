import Type from 'typebox';
import { closed } from '../shape.ts';
import { AccountName, common, Domain, Host, Port, redirections, screen, sso, WebUrl } from './common.ts';

/** Of an application, a desktop or a resource, as the other side calls it. */
const name = Type.String({ minLength: 1, maxLength: 256 });
const ObjectId = Type.String({
  pattern: '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$',
  description: 'an object id like 1a2b3c4d-0000-1111-2222-333344445555',
});

/** Remote Desktop: a host, or one application on it, directly or through an RD gateway. */
export const RdpConnection = closed({
  ...common,
  ...sso,
  ...screen,
  ...redirections,
  type: Type.Literal('rdp'),
  host: Host,
  port: Type.Optional(Port),
  user: Type.Optional(AccountName),
  domain: Type.Optional(Domain),
  /** Alias of a RemoteApp, without the leading `||`. */
  remoteApp: Type.Optional(name),
  remoteAppArguments: Type.Optional(Type.String({ maxLength: 1024 })),
  gateway: Type.Optional(Host),
  /** How a broker finds the collection. */
  loadBalanceInfo: Type.Optional(name),
  /** `nla` where left out: the server proves itself and the user before a session is made. */
  security: Type.Optional(Type.Union([Type.Literal('nla'), Type.Literal('tls')])),
  /** `trusted` where left out: only a certificate that the device trusts. `first-use`: the first that is seen, and then no other. */
  certificate: Type.Optional(Type.Union([Type.Literal('trusted'), Type.Literal('first-use')])),
  colorDepth: Type.Optional(Type.Union([Type.Literal(16), Type.Literal(24), Type.Literal(32)])),
  /** The session takes another size when its window does. */
  dynamicResolution: Type.Optional(Type.Boolean()),
});

/** Citrix: a StoreFront and what to open there, or a file that describes one session. One of the two URLs. */
export const CitrixConnection = closed({
  ...common,
  ...sso,
  ...screen,
  ...redirections,
  type: Type.Literal('citrix'),
  storeUrl: Type.Optional(WebUrl),
  application: Type.Optional(name),
  /** An .ica file. */
  icaUrl: Type.Optional(WebUrl),
  domain: Type.Optional(Domain),
});

/** Omnissa (VMware) Horizon: a desktop or an application. */
export const HorizonConnection = closed({
  ...common,
  ...sso,
  ...screen,
  ...redirections,
  type: Type.Literal('horizon'),
  host: Host,
  domain: Type.Optional(Domain),
  desktop: Type.Optional(name),
  application: Type.Optional(name),
  protocol: Type.Optional(Type.Union([Type.Literal('blast'), Type.Literal('pcoip'), Type.Literal('rdp')])),
});

/** Azure Virtual Desktop and Windows 365. */
export const AvdConnection = closed({
  ...common,
  ...screen,
  type: Type.Literal('avd'),
  workspaceUrl: WebUrl,
  /** Object id of the workspace: with `resource`, one of its desktops or applications is opened at once. */
  workspaceId: Type.Optional(ObjectId),
  /** Object id of what is opened. */
  resource: Type.Optional(name),
  /** User principal name to propose. */
  user: Type.Optional(AccountName),
});

/** A screen by VNC. */
export const VncConnection = closed({
  ...common,
  ...screen,
  type: Type.Literal('vnc'),
  host: Host,
  port: Type.Optional(Port),
  viewOnly: Type.Optional(Type.Boolean()),
});
