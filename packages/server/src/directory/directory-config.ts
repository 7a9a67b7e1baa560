import type { DirectoryBody } from '@thinman/protocol';
import { FilterParser } from 'ldapts';
import { secretContext } from '../core/sealed.ts';
import type { SiteDataKey, StoredObject } from '../ports.ts';
import type { Endpoint } from './connection.ts';
import type { Domains } from './login-name.ts';

/** Groups at any depth, in one search (LDAP_MATCHING_RULE_IN_CHAIN, MS-ADTS 3.1.1.3.4.4.3). */
const AD_GROUPS = '(member:1.2.840.113556.1.4.1941:={dn})';
const AD_USERS = '(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={user})(userPrincipalName={upn})))';
const LDAP_USERS = '(uid={user})';
const LDAP_GROUPS = '(|(member={dn})(uniqueMember={dn})(memberUid={user}))';

/** A Directory object, ready to be used: defaults filled in, the secret opened. */
export type DirectoryConfig = {
  readonly name: string;
  readonly type: DirectoryBody['type'];
  readonly endpoints: readonly Endpoint[];
  readonly baseDn: string;
  /** undefined: users bind as themselves, and what may be read without a name is read so. */
  readonly serviceAccount: { readonly dn: string; readonly password: string } | undefined;
  /** With `{user}`; undefined: the user is looked up. */
  readonly userDn: string | undefined;
  readonly userFilter: string;
  readonly groupFilter: string;
  readonly domains: Domains;
  readonly takesPlainNames: boolean;
  /** Of directories that have the same plain name the least goes before; without a word behind all others. */
  readonly order: number;
};

/** Of an object as it is stored. Throws as `directoryConfig` does, and when its secret does not open. */
export function sealedConfig(object: StoredObject, dataKey: Pick<SiteDataKey, 'open'>): DirectoryConfig {
  const sealed = (object.system.secrets as Record<string, string> | undefined)?.bindPassword;
  const context = secretContext('Directory', object.name, 'bindPassword');
  const password = sealed === undefined ? undefined : dataKey.open(sealed, context);
  return directoryConfig(object.name, object.body as DirectoryBody, password);
}

/** Throws when a filter does not parse: `apply` checks them, an older server may have written another. */
export function directoryConfig(name: string, body: DirectoryBody, bindPassword: string | undefined): DirectoryConfig {
  const { type, urls, ca, startTls = false, tlsServerName, bindDn } = body;
  const isAd = type === 'activeDirectory';
  const userFilter = body.userFilter ?? (isAd ? AD_USERS : LDAP_USERS);
  const groupFilter = body.groupFilter ?? (isAd ? AD_GROUPS : LDAP_GROUPS);
  for (const filter of [userFilter, groupFilter]) FilterParser.parseString(filter);
  return {
    ...{ name, type, userFilter, groupFilter, baseDn: body.baseDn, userDn: body.userDn },
    endpoints: urls.map(url => ({ url, ca, tlsServerName, startTls: startTls && url.startsWith('ldap:') })),
    serviceAccount:
      bindDn === undefined || bindPassword === undefined ? undefined : { dn: bindDn, password: bindPassword },
    domains: { suffix: body.suffix?.toLowerCase(), domain: body.domain?.toLowerCase() },
    takesPlainNames: body.plainNames ?? true,
    order: body.order ?? Number.MAX_SAFE_INTEGER,
  };
}
