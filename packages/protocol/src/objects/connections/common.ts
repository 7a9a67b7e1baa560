import Type from 'typebox';

export const ConnectionName = Type.String({
  pattern: '^[^\\u0000-\\u001f/\\\\]{1,64}$',
  description: 'a name of 1 to 64 characters without / and \\',
});
export const Host = Type.String({
  pattern: '^[A-Za-z0-9._:\\[\\]-]{1,253}$',
  description: 'a host like rds.example.org',
});
export const Port = Type.Integer({ minimum: 1, maximum: 65535 });
export const WebUrl = Type.String({
  pattern: '^https?://[^\\s]+$',
  maxLength: 2048,
  description: 'a URL like https://wiki.example.org',
});
export const AccountName = Type.String({
  pattern: '^[A-Za-z0-9._@$\\\\-]{1,256}$',
  description: 'a user name without spaces',
});
export const Domain = Type.String({ maxLength: 128 });

/** What every connection has. */
export const common = {
  name: ConnectionName,
  title: Type.Optional(Type.String({ maxLength: 128 })),
  /** Opened as soon as its user is signed in. */
  autostart: Type.Optional(Type.Boolean()),
  /** Place on the screen: lower first, then by name. */
  order: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
  /** Whether it is opened again when it ends by itself: `never` where left out. */
  reconnect: Type.Optional(Type.Union([Type.Literal('never'), Type.Literal('on-failure'), Type.Literal('always')])),
  /** Another connection, by name, that is opened when this one cannot be. */
  fallback: Type.Optional(ConnectionName),
};

/** The name and the password of the login go to the other side. */
export const sso = { sso: Type.Optional(Type.Boolean()) };

/** On which monitors. */
export const screen = {
  fullscreen: Type.Optional(Type.Boolean()),
  monitors: Type.Optional(Type.Union([Type.Literal('primary'), Type.Literal('all')])),
};

/** What of the thin client the other side may use. What is left out is as the client has it. */
export const redirections = {
  clipboard: Type.Optional(Type.Boolean()),
  drives: Type.Optional(Type.Boolean()),
  printers: Type.Optional(Type.Boolean()),
  smartCards: Type.Optional(Type.Boolean()),
  usb: Type.Optional(Type.Boolean()),
  microphone: Type.Optional(Type.Boolean()),
  camera: Type.Optional(Type.Boolean()),
  /** Where sound is played: here, there, or nowhere. */
  audio: Type.Optional(Type.Union([Type.Literal('local'), Type.Literal('remote'), Type.Literal('off')])),
};
