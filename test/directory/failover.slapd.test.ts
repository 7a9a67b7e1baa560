import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failoverContract, type PairServer } from '../support/directories/failover-contract.ts';
import { BASE_DN, personLdif, SERVICE_DN, SLAPD_PASSWORD } from '../support/directories/hospital.ts';
import { type Slapd, startSlapd } from '../support/directories/slapd.ts';

const serverOf = (slapd: Slapd): PairServer => ({
  url: slapd.ldapsUrl,
  counted: async user => slapd.binds(`uid=${user},`),
  stop: () => slapd.process().freeze(),
  goOn: () => slapd.process().signal('SIGCONT'),
  kill: async () => void (await slapd.process().kill()),
  start: slapd.start,
});

failoverContract('OpenLDAP', async users => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-two-slapd-'));
  const first = await startSlapd(join(folder, 'first'), { name: 'first' });
  const second = await startSlapd(join(folder, 'second'), { name: 'second' });
  for (const slapd of [first, second]) {
    for (const user of users.filter(name => name !== 'alice')) await slapd.modify(personLdif(user, 'changetype: add'));
  }
  return {
    ...{ first: serverOf(first), second: serverOf(second), atOnce: 5 },
    given: {
      ...{ type: 'ldap', baseDn: BASE_DN, suffix: 'lab.test', ca: `${first.ca}\n${second.ca}` },
      ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
    },
    async [Symbol.asyncDispose]() {
      for (const slapd of [first, second]) await slapd[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
});
