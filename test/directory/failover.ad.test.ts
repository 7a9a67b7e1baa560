import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failoverContract, type PairServer } from '../support/directories/failover-contract.ts';
import {
  AD_BASE,
  type AdController,
  SERVICE,
  SERVICE_PASSWORD,
  startAdController,
} from '../support/directories/samba-ad.ts';

const serverOf = (dc: AdController): PairServer => ({
  url: dc.url,
  counted: async user => Number(await dc.attribute(user, 'badPwdCount')),
  stop: () => dc.process().freeze(),
  goOn: () => dc.process().signal('SIGCONT'),
  kill: async () => void (await dc.process().kill()),
  start: dc.start,
});

failoverContract('Active Directory (Samba)', async users => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-two-ad-'));
  const [one, other] = [join(folder, 'first'), join(folder, 'second')];
  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const first = unfinished.use(await startAdController(one));
  // Without a threshold nothing is counted.
  await first.set(AD_BASE, { lockoutThreshold: '50' });
  for (const user of users) await first.addUser(user);
  await first.process().kill();
  const second = unfinished.use(await startAdController(other, { copyOf: one }));
  await first.start();
  const owned = unfinished.move();
  return {
    ...{ first: serverOf(first), second: serverOf(second), atOnce: 2 },
    given: {
      ...{ type: 'activeDirectory', baseDn: AD_BASE, suffix: 'lab.test', ca: `${first.ca}\n${second.ca}` },
      ...{ bindDn: SERVICE, bindPassword: SERVICE_PASSWORD },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
});
