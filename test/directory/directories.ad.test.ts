import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryLab, directoryContract } from '../support/directories/directory-contract.ts';
import {
  AD_BASE,
  DISABLED,
  EXPIRES,
  SERVICE,
  SERVICE_PASSWORD,
  startAdController,
} from '../support/directories/samba-ad.ts';

/** Two days, in 100 ns. */
const MAX_PASSWORD_AGE = '-1728000000000';
const HOURS_OF_A_WEEK_BYTES = 21;

/** This hour of the week and three on either side: so that a test that runs into the next hour meets one too. */
function hoursAround(nowMs: number): Buffer {
  const bytes = Buffer.alloc(HOURS_OF_A_WEEK_BYTES);
  const now = Math.floor(nowMs / 3_600_000) + 4 * 24;
  for (const hour of [-3, -2, -1, 0, 1, 2, 3].map(off => (now + off) % 168)) {
    bytes.writeUInt8(bytes.readUInt8(hour >> 3) | (1 << (hour & 7)), hour >> 3);
  }
  return bytes;
}

directoryContract('Active Directory (Samba)', async (): Promise<DirectoryLab> => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-ad-'));
  const dc = await startAdController(folder);
  await dc.set(AD_BASE, { lockoutThreshold: '6', minPwdAge: '0', maxPwdAge: MAX_PASSWORD_AGE });
  await dc.addUser('alice');
  await dc.addUser('bob', { userPrincipalName: 'robert.b@lab.test' });
  await dc.addGroup('ward-3', ['alice']);
  await dc.addGroup('hospital', ['ward-3']);
  await dc.addGroup('staff', ['hospital', 'bob']);
  await dc.addGroup('Night Shift', ['staff']);
  const given = {
    ...{ type: 'activeDirectory' as const, urls: [dc.url], ca: dc.ca, baseDn: AD_BASE, suffix: 'lab.test' },
    ...{ bindDn: SERVICE, bindPassword: SERVICE_PASSWORD },
  };
  const { bindDn: _, bindPassword: __, ...anonymous } = given;
  const setting = (attributes: Parameters<typeof dc.set>[1]) => (user: string) => dc.set(dc.dnOf(user), attributes);
  return {
    ...{
      url: dc.url,
      given,
      names: ['Alice@LAB.TEST', 'lab.test\\alice'],
      weakPassword: 'short',
      atOnce: 2,
      bobToo: 'Robert.B@lab.test',
    },
    withoutServiceAccount: anonymous,
    limitHours: user => setting({ logonHours: hoursAround(Date.now()) })(user),
    startTls: { ...given, urls: [dc.plainUrl], startTls: true },
    addUser: dc.addUser,
    counted: async user => Number(await dc.attribute(user, 'badPwdCount')),
    states: {
      disabled: { make: setting({ userAccountControl: String(DISABLED) }), code: 'account_disabled' },
      expired: { make: setting({ accountExpires: '131000000000000000' }), code: 'account_expired' },
      'must-change': {
        make: setting({ userAccountControl: String(EXPIRES), pwdLastSet: '0' }),
        code: 'password_expired',
      },
      'old-password': {
        async make(user) {
          await dc.set(dc.dnOf(user), { userAccountControl: String(EXPIRES) });
          await dc.makePasswordOld(user);
        },
        code: 'password_expired',
      },
      'not-now': { make: setting({ logonHours: Buffer.alloc(HOURS_OF_A_WEEK_BYTES) }), code: 'not_permitted' },
      'not-here': { make: setting({ userWorkstations: 'ELSEWHERE' }), code: 'not_permitted' },
      locked: { make: dc.lockOut, ...{ code: 'account_locked', whoever: true } },
    },
    stop: () => dc.process().freeze(),
    goOn: () => dc.process().signal('SIGCONT'),
    kill: async () => void (await dc.process().kill()),
    start: dc.start,
    async [Symbol.asyncDispose]() {
      await dc[Symbol.asyncDispose]();
      // Its processes may still write down that they end.
      rmSync(folder, { recursive: true, maxRetries: 5, retryDelay: 100 });
    },
  };
});
