import Type from 'typebox';
import { closed } from '../shape.ts';
import { AccountName, common, Host, Port, WebUrl } from './common.ts';

/** A page in the browser. */
export const WebConnection = closed({
  ...common,
  type: Type.Literal('web'),
  url: WebUrl,
  /** The page alone, over the whole screen. */
  kiosk: Type.Optional(Type.Boolean()),
  /** Nothing of it outlives the window. */
  private: Type.Optional(Type.Boolean()),
  zoomPercent: Type.Optional(Type.Integer({ minimum: 25, maximum: 500 })),
});

/** A terminal on a host. */
export const SshConnection = closed({
  ...common,
  type: Type.Literal('ssh'),
  host: Host,
  port: Type.Optional(Port),
  user: Type.Optional(AccountName),
  /** Run there in the place of a shell. */
  command: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
});
