import Type, { type Static } from 'typebox';
import { secret } from './secret.ts';
import { closed, description } from './shape.ts';

/** LDAP or Active Directory as a source of users. */
export const DirectoryBody = closed({
  description,
  type: Type.Union([Type.Literal('ldap'), Type.Literal('activeDirectory')]),
  urls: Type.Array(
    Type.String({ pattern: '^ldaps?://[^\\s]+$', maxLength: 512, description: 'a URL like ldaps://dc1.example.org' }),
    { minItems: 1, maxItems: 16 },
  ),
  ca: Type.Optional(Type.String({ maxLength: 65_536 })),
  startTls: Type.Optional(Type.Boolean()),
  baseDn: Type.String({ maxLength: 1024 }),
  bindDn: Type.Optional(Type.String({ maxLength: 1024 })),
  /** Secret: stored sealed under the site data key, given back as `{ secret: set }`. */
  bindPassword: Type.Optional(secret({ maxLength: 1024 })),
  suffix: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9.-]{1,253}$', description: 'a domain like example.org' })),
  userFilter: Type.Optional(Type.String({ maxLength: 2048 })),
  groupFilter: Type.Optional(Type.String({ maxLength: 2048 })),
  tlsServerName: Type.Optional(Type.String({ maxLength: 253 })),
});
export type DirectoryBody = Static<typeof DirectoryBody>;
