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
  /** Before the backslash (`LAB\\alice`), where it is not the first part of the suffix: the NetBIOS name of an AD domain. */
  domain: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9.-]{1,63}$', description: 'a domain name like LAB' })),
  /** Whether names without a domain (`alice`) may be this directory's, where no local user has them. Default: yes. */
  plainNames: Type.Optional(Type.Boolean()),
  /** Where more than one directory has a plain name, it is that of the least order. Without one: behind all that have one. */
  order: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  /** Where users bind without being looked up first, with `{user}` in it: `uid={user},ou=people,dc=example,dc=org`. */
  userDn: Type.Optional(Type.String({ maxLength: 1024, pattern: '\\{user\\}', description: 'a DN with {user} in it' })),
  userFilter: Type.Optional(Type.String({ maxLength: 2048 })),
  groupFilter: Type.Optional(Type.String({ maxLength: 2048 })),
  tlsServerName: Type.Optional(Type.String({ maxLength: 253 })),
});
export type DirectoryBody = Static<typeof DirectoryBody>;
