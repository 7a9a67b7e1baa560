import { createHash } from 'node:crypto';

export const BASE_DN = 'dc=lab,dc=test';
export const ADMIN_DN = `cn=admin,${BASE_DN}`;
export const SERVICE_DN = `cn=thinman,${BASE_DN}`;
/** Of the administrator and the service account. */
export const SLAPD_PASSWORD = 'a-service-password';
/** Of everybody else. */
export const USER_PASSWORD = 'Winter-2026!';

export const userDn = (uid: string) => `uid=${uid},ou=people,${BASE_DN}`;
export const groupDn = (cn: string) => `cn=${cn},ou=groups,${BASE_DN}`;

/** `alice` and `bob` by name, `u0`, `u1`, … by number; the first is in ward-3, which is in hospital, which is in staff. */
export function hospitalLdif(users: number): string {
  const password = ssha(USER_PASSWORD);
  const people = ['alice', 'bob', ...Array.from({ length: users }, (_, at) => `u${at}`)];
  return [
    [`dn: ${BASE_DN}`, 'objectClass: dcObject', 'objectClass: organization', 'o: Lab', 'dc: lab'],
    ...['people', 'groups', 'policies'].map(ou => [
      `dn: ou=${ou},${BASE_DN}`,
      'objectClass: organizationalUnit',
      `ou: ${ou}`,
    ]),
    [
      `dn: cn=standard,ou=policies,${BASE_DN}`,
      ...['objectClass: device', 'objectClass: pwdPolicy', 'cn: standard', 'pwdAttribute: userPassword'],
      ...[
        'pwdLockout: TRUE',
        'pwdMaxFailure: 100',
        'pwdMustChange: TRUE',
        'pwdMaxAge: 0',
        'pwdMinLength: 8',
        'pwdCheckQuality: 1',
      ],
    ],
    [
      `dn: ${SERVICE_DN}`,
      ...['objectClass: applicationProcess', 'objectClass: simpleSecurityObject', 'cn: thinman'],
      `userPassword: ${ssha(SLAPD_PASSWORD)}`,
    ],
    // As on replicas of one directory: the same ids, wherever it was loaded.
    ...people.map(uid => [...personLines(uid, password), `entryUUID: ${uuidOf(uid)}`]),
    group('ward-3', [userDn('alice')]),
    group('hospital', [groupDn('ward-3')]),
    group('staff', [groupDn('hospital'), userDn('bob')]),
    // A circle, and a name that ThinMan writes in another way.
    group('Night Shift', [groupDn('staff'), groupDn('night-circle')]),
    group('night-circle', [groupDn('Night Shift')]),
    group('everybody', people.map(userDn)),
  ]
    .map(lines => `${lines.join('\n')}\n`)
    .join('\n');
}

function group(cn: string, members: readonly string[]): string[] {
  return [`dn: ${groupDn(cn)}`, 'objectClass: groupOfNames', `cn: ${cn}`, ...members.map(dn => `member: ${dn}`)];
}

function ssha(password: string): string {
  const salt = Buffer.from('a-salt');
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}

function uuidOf(uid: string): string {
  const hex = createHash('sha256').update(uid).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

function personLines(uid: string, password: string, ...more: readonly string[]): readonly string[] {
  const classes = ['objectClass: inetOrgPerson', 'objectClass: shadowAccount'];
  const names = [`uid: ${uid}`, `cn: ${uid} of the lab`, `sn: ${uid}`];
  return [`dn: ${userDn(uid)}`, ...more, ...classes, ...names, `userPassword: ${password}`];
}

/** One more of them. */
export const personLdif = (uid: string, ...more: readonly string[]) =>
  `${personLines(uid, ssha(USER_PASSWORD), ...more).join('\n')}\n`;
