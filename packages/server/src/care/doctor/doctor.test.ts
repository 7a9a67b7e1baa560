import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ServerReport } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { dataFolder, readConfig } from '../../config.ts';
import { formatRecoveryCode, newRecoveryCode } from '../../identity/recovery-code.ts';
import { lockFolder } from '../../record/dialects/folder-lock.ts';
import type { Examination } from '../../record/dialects/mysql/examine.ts';
import { openSourceOfRecord } from '../../record/source-of-record.ts';
import { openReplica } from '../../replica/replica.ts';
import { systemClock } from '../../runtime/clock.ts';
import { initSite, type NewSite } from '../../setup/init-site.ts';
import { checkCertificates } from './certificate-checks.ts';
import type { Check } from './check.ts';
import { checkClock } from './clock-check.ts';
import { checkExamined } from './database-checks.ts';
import { type DoctorOptions, diagnose } from './doctor.ts';
import { checkRedundancy, redundancyOf } from './site-checks.ts';

let root: string;
let dataDir: string;
let made: NewSite;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-doctor-'));
  dataDir = join(root, 'primary');
  made = await initSite({ dataDir, name: 'primary', listen: '127.0.0.1:7443', url: 'https://127.0.0.1:7443' });
});
afterEach(() => rmSync(root, { recursive: true }));

const REPORT: ServerReport = {
  ...{ name: 'primary', role: 'primary', state: 'serving', epoch: 1, generation: 1 },
  database: { kind: 'sqlite', reachable: true, lagMs: 0 },
  ...{ connectedDevices: 0, journalPending: 0, version: '1.0.0', schema: 1 },
};

async function check(name: string, more: Partial<DoctorOptions> = {}): Promise<Check> {
  const { checks } = await diagnose({ dataDir, askStatus: async () => REPORT, ...more });
  const found = checks.find(one => one.check === name);
  assert.ok(found, `there is a check "${name}" among ${checks.map(one => one.check).join(', ')}`);
  return found;
}

async function sync(): Promise<void> {
  const record = openSourceOfRecord(readConfig(dataFolder(dataDir)).database, { dataDir, clock: systemClock });
  const replica = openReplica(dataFolder(dataDir).replica, { clock: systemClock });
  replica.apply(await record.feed(undefined));
  replica.close();
  await record.close();
}

function change(sql: string): void {
  const handle = new Database(join(dataDir, 'site.db'));
  handle.exec(sql);
  handle.close();
}

describe('doctor', () => {
  it('finds a new site that does not run fit, and says what is still to be done', async () => {
    await sync();
    const { level, checks, running, server } = await diagnose({ dataDir, askStatus: async () => REPORT });
    assert.deepEqual([level, running, server], ['warn', false, 'primary']);
    assert.deepEqual(
      checks.filter(one => one.level !== 'ok').map(one => one.check),
      ['journal reserve', 'server', 'statement', 'recovery code'],
    );
    for (const one of checks) assert.equal(one.level === 'ok', one.do === undefined, one.check);
  });

  it('asks a server that runs for its state', async () => {
    const release = lockFolder(dataDir);
    assert.match((await check('server')).found, /primary \(primary\) is serving/);
    const lost = { ...REPORT, state: 'degraded', why: 'database_lost' } as const;
    const degraded = await check('server', { askStatus: async () => lost });
    assert.deepEqual([degraded.level, /its database cannot be used/.test(degraded.found)], ['warn', true]);
    const unavailable = await check('server', { askStatus: async () => ({ ...lost, state: 'unavailable' }) });
    assert.equal(unavailable.level, 'fail');
    const hangs = async () => {
      throw new Error('no answer');
    };
    assert.equal((await check('server', { askStatus: hangs })).level, 'fail');
    release?.();
  });

  it('fails a data folder that others may read, naming the file', async () => {
    chmodSync(join(dataDir, 'identity', 'tls.key'), 0o640);
    const found = await check('data folder');
    assert.deepEqual([found.level, found.found], ['fail', 'others may read identity/tls.key']);
    assert.match(found.do ?? '', /chmod/);
  });

  it('fails a database that is not there, and looks at everything else', async () => {
    await sync();
    renameSync(join(dataDir, 'site.db'), join(root, 'away.db'));
    const { level, checks } = await diagnose({ dataDir, askStatus: async () => REPORT });
    assert.equal(level, 'fail');
    assert.deepEqual(
      checks.filter(one => one.level === 'fail').map(one => one.check),
      ['database'],
    );
    assert.ok(checks.some(one => one.check === 'recovery code'));
  });

  it('fails a database of another site, and says what to do', async () => {
    await sync();
    change(`UPDATE site SET siteId = '99999999-2222-4333-8444-555555555555'`);
    const { level, found } = await check('database');
    assert.equal(level, 'fail');
    assert.match(found, /another site \(99999999-.*put this site's own database back/);
  });

  it('verifies the recovery code once, and asks again after another one was made', async () => {
    assert.equal((await check('recovery code')).level, 'warn');
    assert.equal((await check('recovery code', { recoveryCode: made.recoveryCode })).level, 'ok');
    assert.match((await check('recovery code')).found, /^verified on \d{4}-/);
    change(`UPDATE site SET wrappedCaKey = wrappedCaKey || '.another'`);
    assert.equal((await check('recovery code')).level, 'warn');
  });

  it('fails a recovery code that opens nothing, and does not note it', async () => {
    const other = formatRecoveryCode(newRecoveryCode());
    assert.equal((await check('recovery code', { recoveryCode: other })).level, 'fail');
    assert.equal((await check('recovery code', { recoveryCode: 'mistyped' })).level, 'fail');
    assert.equal((await check('recovery code')).level, 'warn');
  });

  it('tells of events that the database has refused', async () => {
    change(`INSERT INTO event_quarantine (origin, eventId, at, reason, event) VALUES ('a', 'b', 1, 'c', '{}')`);
    assert.match((await check('quarantine')).found, /refused 1 events/);
  });

  it('fails an identity that lacks a key, and ends there', async () => {
    rmSync(join(dataDir, 'identity', 'session.key'));
    assert.match((await check('identity')).found, /session\.key/);
  });
});

describe('what the doctor says of a certificate', () => {
  it('holds it against the name, the CA and the date', async () => {
    const { readFileSync } = await import('node:fs');
    const own = {
      certificatePem: readFileSync(join(dataDir, 'identity', 'tls.crt'), 'utf8'),
      caCertificates: [readFileSync(join(dataDir, 'ca.crt'), 'utf8')],
    };
    const now = Date.now();
    const said = (url: string, atMs: number) => checkCertificates(own, url, atMs).map(({ level }) => level);
    const year = 365 * 24 * 3_600_000;
    assert.deepEqual(said('https://127.0.0.1:7443', now), ['ok', 'ok']);
    assert.deepEqual(said('https://127.0.0.2:7443', now), ['fail', 'ok']);
    assert.deepEqual(said('https://127.0.0.1:7443', now + 1.9 * year), ['warn', 'ok']);
    assert.deepEqual(said('https://127.0.0.1:7443', now + 2.1 * year), ['fail', 'ok']);
    assert.deepEqual(said('https://127.0.0.1:7443', now + 24.5 * year), ['fail', 'warn']);
  });
});

describe('what the doctor says of an external database', () => {
  const GOOD: Examination = {
    ...{ where: 'database thinman at 127.0.0.1:3306', version: '10.11', kind: 'mariadb', isReadOnly: false },
    ...{ durability: undefined, rights: undefined, tables: undefined },
    replication: { kind: 'none' },
    clock: { atMs: 1_000_000, tookMs: 2 },
  };
  const SLAVE = { kind: 'slave', receives: true, applies: true, errors: [] } as const;
  const bad = (role: 'primary' | 'secondary', seen: Partial<Examination>, acceptWeakDurability = false) =>
    checkExamined({ ...GOOD, ...seen }, { role, acceptWeakDurability }, () => 1_000_001)
      .filter(({ level }) => level !== 'ok')
      .map(({ check, level }) => `${check} ${level}`);
  const weak = { what: 'weak', mend: ['SET GLOBAL sync_binlog = 1;'] };

  it('has nothing against a good Master, and against a good Slave', () => {
    assert.deepEqual(bad('primary', {}), []);
    assert.deepEqual(bad('secondary', { isReadOnly: true, replication: SLAVE }), []);
    assert.deepEqual(bad('secondary', {}), []);
  });

  it('fails what a Primary cannot work with, and gives the SQL', () => {
    assert.deepEqual(bad('primary', { durability: weak, rights: weak, tables: weak }), [
      'durability fail',
      'rights fail',
      'tables fail',
    ]);
    assert.deepEqual(bad('primary', { durability: weak }, true), ['durability warn']);
    assert.deepEqual(bad('primary', { isReadOnly: true, replication: SLAVE }), ['read-only fail', 'replication fail']);
  });

  it('fails a Slave that has stopped, and warns of one that others may write to', () => {
    assert.deepEqual(bad('secondary', { isReadOnly: true, replication: { ...SLAVE, applies: false } }), [
      'replication fail',
    ]);
    assert.deepEqual(bad('secondary', { replication: SLAVE, durability: weak }), ['durability warn', 'read-only warn']);
  });

  it('says which right it lacks to see replication', () => {
    const finding = { what: 'the account may not see', mend: ['GRANT SLAVE MONITOR'] };
    assert.deepEqual(bad('secondary', { replication: { kind: 'unknown', finding } }), ['replication warn']);
    assert.deepEqual(bad('primary', { replication: { kind: 'unknown', finding } }), []);
  });

  it('warns of clocks that are apart', () => {
    assert.deepEqual(bad('primary', { clock: { atMs: 900_000, tookMs: 2 } }), ['clock warn']);
    assert.match(checkClock('it', 0, 60_000).found, /60 s behind/);
    assert.equal(checkClock('it', Number.NaN, 60_000).level, 'ok');
  });

  it('warns of profiles of users without FULL redundancy', () => {
    const assignment = (body: Record<string, unknown>) =>
      ({ kind: 'Assignment', name: 'a', uid: 'u', generation: 1, body, system: {}, deleted: false }) as const;
    const ofUsers = [assignment({ profile: 'nurses', to: { userGroup: 'nurses' } })];
    const ofDevices = [
      assignment({ profile: 'kiosk', to: { deviceGroup: 'hall' } }),
      assignment({ policy: 'p', to: {} }),
    ];
    const half = redundancyOf('secondary', 2, GOOD.replication);
    assert.equal(half, 'half');
    assert.equal(checkRedundancy(half, ofUsers).level, 'warn');
    assert.equal(checkRedundancy(half, ofDevices).level, 'ok');
    assert.equal(checkRedundancy(redundancyOf('primary', 1, undefined), ofUsers).level, 'warn');
    assert.equal(checkRedundancy(redundancyOf('secondary', 2, SLAVE), ofUsers).level, 'ok');
    assert.equal(checkRedundancy(redundancyOf('primary', 2, GOOD.replication), ofUsers).level, 'ok');
  });
});
