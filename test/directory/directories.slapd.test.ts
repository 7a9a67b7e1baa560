import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryLab, directoryContract } from '../support/directories/directory-contract.ts';
import { BASE_DN, personLdif, SERVICE_DN, SLAPD_PASSWORD, userDn } from '../support/directories/hospital.ts';
import { startSlapd } from '../support/directories/slapd.ts';

directoryContract('OpenLDAP', async (): Promise<DirectoryLab> => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-slapd-'));
  const slapd = await startSlapd(folder);
  const given = {
    ...{ type: 'ldap' as const, urls: [slapd.ldapsUrl], ca: slapd.ca, baseDn: BASE_DN, suffix: 'lab.test' },
    ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
  };
  const { bindDn: _, bindPassword: __, ...anonymous } = given;
  const set = (user: string, lines: string) => slapd.modify(`dn: ${userDn(user)}\nchangetype: modify\n${lines}\n`);
  return {
    ...{ url: slapd.ldapsUrl, given, names: [], weakPassword: 'short', atOnce: 9, bobToo: ' BOB @lab.test' },
    withoutServiceAccount: { ...anonymous, userDn: `uid={user},ou=people,${BASE_DN}` },
    startTls: { ...given, urls: [slapd.url], startTls: true },
    addUser: name => slapd.modify(personLdif(name, 'changetype: add')),
    counted: async user => slapd.binds(`uid=${user},`),
    states: {
      expired: { make: user => set(user, 'add: shadowExpire\nshadowExpire: 100'), code: 'account_expired' },
      'must-change': { make: user => set(user, 'add: pwdReset\npwdReset: TRUE'), code: 'password_expired' },
      locked: {
        make: user => set(user, 'add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z'),
        ...{ code: 'account_locked', whoever: true },
      },
    },
    stop: () => slapd.process().freeze(),
    goOn: () => slapd.process().signal('SIGCONT'),
    kill: async () => void (await slapd.process().kill()),
    start: slapd.start,
    async [Symbol.asyncDispose]() {
      await slapd[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
});
