import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes, randomUUID, X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { StatementServer } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { ConfigError, dataFolder, readConfig } from '../config.ts';
import { createSiteCa } from '../identity/certificate-authority.ts';
import { openDataKey } from '../identity/data-key.ts';
import { loadIdentityFiles, loadStatementFile, toPem } from '../identity/identity-files.ts';
import { rawPublicKey } from '../identity/raw-keys.ts';
import { formatRecoveryCode, newRecoveryCode, wrapCaKeys } from '../identity/recovery-code.ts';
import { readHeldStatement } from '../identity/statement-holder.ts';
import type { CommitTransaction } from '../ports.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import { systemClock } from '../runtime/clock.ts';
import { initSite, type NewSite } from '../setup/init-site.ts';
import { backUp } from './backup.ts';
import { type RestoreOptions, restoreSite } from './restore.ts';

const URL = 'https://127.0.0.1:7443';
const LISTEN = '127.0.0.1:7443';
const CANARY = 'canary-in-a-body';

let root: string;
let dataDir: string;
let file: string;
let made: NewSite;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-backup-'));
  dataDir = join(root, 'primary');
  file = join(root, 'site.backup');
  made = await initSite({ dataDir, name: 'primary', listen: LISTEN, url: URL });
});
afterEach(() => rmSync(root, { recursive: true }));

/** Which no compression makes small. */
const noise = () => randomBytes(200).toString('base64');

/** 300 users of which one is deleted and one has a long history, and some events. */
async function fill(): Promise<void> {
  const { database, instance } = readConfig(dataFolder(dataDir));
  const record = openSourceOfRecord(database, { dataDir, clock: systemClock });
  const by = { instance, epoch: 1, actor: 'test' };
  await record.commit(by, async transaction => {
    for (let at = 0; at < 300; at++) await transaction.put('User', `user-${at}`, { displayName: CANARY + noise() }, {});
    return { write: true, result: undefined };
  });
  for (let at = 0; at < 250; at++) {
    await record.commit(by, async transaction => {
      await transaction.put('User', 'user-7', { displayName: `${CANARY}\u2028${at}` }, {});
      return { write: true, result: undefined };
    });
  }
  await record.commit(by, async transaction => ({ write: await transaction.remove('User', 'user-9'), result: 0 }));
  await record.storeEvents(Array.from({ length: 450 }, () => recordedEvent()));
  await record.close();
}

async function commit(work: (transaction: CommitTransaction) => Promise<void>): Promise<void> {
  const { database, instance } = readConfig(dataFolder(dataDir));
  const record = openSourceOfRecord(database, { dataDir, clock: systemClock });
  await record.commit({ instance, epoch: 1, actor: 'test' }, async transaction => {
    await work(transaction);
    return { write: true, result: undefined };
  });
  await record.close();
}

const restore = (more: Partial<RestoreOptions> = {}) =>
  restoreSite({
    ...{ file, recoveryCode: made.recoveryCode, dataDir: join(root, 'restored'), listen: LISTEN, url: URL },
    ...more,
  });

function rowsIn(folder: string, table: string): readonly Record<string, unknown>[] {
  const handle = new Database(join(folder, 'site.db'), { readonly: true });
  try {
    return handle.prepare(`SELECT * FROM ${table} ORDER BY 1, 2, 3, 4`).all() as Record<string, unknown>[];
  } finally {
    handle.close();
  }
}

const refused = (words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ConfigError, String(error));
  assert.match(error.message, words);
  assert.doesNotMatch(error.message, /\n/);
  return true;
};

describe('backup and restore', () => {
  it('brings back every object with its history, tombstones, commits and events, one commit further, in a new epoch', async () => {
    await fill();
    const { rows } = await backUp({ dataDir, file });
    assert.deepEqual(rows, { site: 1, commits: 253, objects: 303, history: 554, events: 450 });
    const restored = await restore();
    assert.deepEqual([restored.epoch, restored.generation, restored.server], [2, 254, 'primary']);

    const there = join(root, 'restored');
    for (const table of ['events', 'event_quarantine']) assert.deepEqual(rowsIn(there, table), rowsIn(dataDir, table));
    const older = (row: Record<string, unknown>) => Number(row.generation) < 254;
    for (const table of ['commits', 'history']) {
      assert.deepEqual(rowsIn(there, table).filter(older), rowsIn(dataDir, table));
      assert.equal(rowsIn(there, table).length, rowsIn(dataDir, table).length + 1);
    }
    const isServer = ({ kind }: Record<string, unknown>) => kind === 'Server';
    const others = (folder: string) => rowsIn(folder, 'objects').filter(row => !isServer(row));
    assert.deepEqual(others(there), others(dataDir));
    const { verifySite } = await import('./verify.ts');
    assert.deepEqual(
      (await verifySite(there)).differences.map(({ what }) => what),
      ['replica_empty'],
    );
  });

  it('makes the same server to devices: same name and keys, a statement of the new epoch, another instance', async () => {
    await backUp({ dataDir, file });
    await restore({ url: 'https://127.0.0.1:9443' });
    const there = join(root, 'restored');
    const statementIn = (folder: string) =>
      readHeldStatement(loadStatementFile(folder), [readFileSync(join(folder, 'ca.crt'), 'utf8')])?.statement;
    const [before, now] = [statementIn(dataDir), statementIn(there)];
    assert.deepEqual([now?.epoch, now?.version], [2, 2]);
    const withoutWrapping = (servers: readonly StatementServer[] = []) =>
      servers.map(({ wrappingKey: _wrappingKey, ...server }) => server);
    assert.deepEqual(
      withoutWrapping(now?.servers),
      withoutWrapping(before?.servers).map(server => ({ ...server, url: 'https://127.0.0.1:9443' })),
    );
    assert.notEqual(now?.servers[0]?.wrappingKey, before?.servers[0]?.wrappingKey, 'the old host is told by it');
    const [site] = rowsIn(there, 'site');
    const config = readConfig(dataFolder(there));
    assert.equal(site?.primaryInstance, config.instance);
    assert.notEqual(config.instance, readConfig(dataFolder(dataDir)).instance);
    for (const key of ['ca.key', 'tls.key', 'session.key', 'data.key']) {
      assert.deepEqual(readFileSync(join(there, 'identity', key)), readFileSync(join(dataDir, 'identity', key)), key);
      assert.equal(statSync(join(there, 'identity', key)).mode & 0o777, 0o600);
    }
  });

  it('writes one file that only its owner may read, in which nothing of the site can be read', async () => {
    await fill();
    await backUp({ dataDir, file });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const bytes = readFileSync(file);
    assert.equal(bytes.includes(CANARY), false);
    for (const key of ['ca.key', 'tls.key', 'data.key']) {
      const [first = '', second = first] = readFileSync(join(dataDir, 'identity', key), 'utf8').split('\n');
      assert.equal(bytes.includes(second), false, key);
    }
    assert.deepEqual(readdirSync(root).toSorted(), ['primary', 'site.backup']);
  });

  it('brings a data key that opens its secrets, also when the server was killed before it took the newest one', async () => {
    const context = 'Directory/ad/bindPassword';
    const { keys, site } = loadIdentityFiles(dataDir);
    const renewed = openDataKey(site.dataKey, made.siteId).renewed();
    await commit(async transaction => {
      const own = await transaction.get('Server', 'primary');
      assert.ok(own);
      const wrappedDataKey = renewed.wrapFor(rawPublicKey(keys.wrapping));
      await transaction.put('Server', 'primary', { ...own.body }, { ...own.system, wrappedDataKey });
      await transaction.put(
        'Directory',
        'ad',
        {},
        { secrets: { bindPassword: renewed.seal('its-password', context) } },
      );
    });
    await backUp({ dataDir, file });
    await restore();
    const there = join(root, 'restored');
    const directory = rowsIn(there, 'objects').find(({ kind }) => kind === 'Directory');
    const { secrets } = JSON.parse(String(directory?.system)) as { secrets: { bindPassword: string } };
    const restored = openDataKey(loadIdentityFiles(there).site.dataKey, made.siteId);
    assert.equal(restored.open(secrets.bindPassword, context), 'its-password');
  });

  it('that was cut off before its end is refused until folder and database are emptied, as docs/operations.md says', async () => {
    await backUp({ dataDir, file });
    const [there, database] = [join(root, 'restored'), join(root, 'database', 'site.db')];
    mkdirSync(join(root, 'database'));
    const again = () => restore({ database: `sqlite:${database}` });
    await again();
    // As a kill just before the last step leaves it.
    rmSync(join(there, 'server.json'));
    await assert.rejects(again(), refused(/is not empty/));
    rmSync(there, { recursive: true });
    await assert.rejects(again(), refused(/holds a site already.* if an earlier restore was cut off/));
    assert.equal(existsSync(there), false);
    rmSync(join(root, 'database'), { recursive: true });
    mkdirSync(join(root, 'database'));
    assert.equal((await again()).server, 'primary');
  });

  it('is refused on a Secondary, even one that has the key of the CA from a promotion that was cut off', async () => {
    const handle = new Database(join(dataDir, 'site.db'));
    handle.prepare('UPDATE site SET primaryInstance = ?').run(randomUUID());
    handle.close();
    await assert.rejects(backUp({ dataDir, file }), refused(/is a Secondary/));
    assert.deepEqual(readdirSync(root), ['primary']);
  });

  it('replaces no file without being told to', async () => {
    writeFileSync(file, 'precious');
    await assert.rejects(backUp({ dataDir, file }), refused(/is there already; .* --force/));
    assert.equal(readFileSync(file, 'utf8'), 'precious');
    await backUp({ dataDir, file, force: true });
    assert.notEqual(readFileSync(file, 'utf8'), 'precious');
  });

  it('says where it cannot write, and leaves nothing', async () => {
    await assert.rejects(
      backUp({ dataDir, file: join(root, 'nowhere', 'x') }),
      refused(/cannot be written \(ENOENT\)/),
    );
    assert.deepEqual(readdirSync(root), ['primary']);
  });

  it('refuses a file that was cut off or changed, wherever, before anything is made', async () => {
    await fill();
    await backUp({ dataDir, file });
    const whole = readFileSync(file);
    const header = whole.indexOf('\n') + 1;
    const chunk = 64 * 1024 + 16;
    assert.ok(whole.length > header + chunk, 'it has several chunks');
    const changed = (at: number) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    };
    const swapped = Buffer.concat([whole.subarray(0, header), whole.subarray(header + chunk)]);
    const older = Buffer.from(whole.toString('latin1').replace('"generation":253', '"generation":252'), 'latin1');
    const damaged = {
      'the last byte lacks': whole.subarray(0, -1),
      'cut at a border of chunks': whole.subarray(0, header + chunk),
      'the header alone': whole.subarray(0, header),
      'a byte of the first chunk': changed(header + 100),
      'a byte of the last one': changed(whole.length - 20),
      'a chunk left out': swapped,
      'another header': older,
      'something after it': Buffer.concat([whole, Buffer.from('x')]),
    };
    for (const [how, bytes] of Object.entries(damaged)) {
      writeFileSync(file, bytes);
      await assert.rejects(restore(), refused(/was changed or cut off/), how);
      assert.equal(existsSync(join(root, 'restored')), false, how);
    }
  });

  it('refuses what is no backup, and another recovery code', async () => {
    await backUp({ dataDir, file });
    const other = formatRecoveryCode(newRecoveryCode());
    await assert.rejects(restore({ recoveryCode: other }), refused(/this recovery code does not open/));
    await assert.rejects(restore({ recoveryCode: made.recoveryCode.slice(0, -1) }), refused(/28 letters and digits/));
    writeFileSync(file, 'some other file\n');
    await assert.rejects(restore(), refused(/is no backup of ThinMan/));
    await assert.rejects(restore({ file: join(root, 'absent') }), refused(/cannot be read \(ENOENT\)/));
    assert.equal(existsSync(join(root, 'restored')), false);
  });

  it('refuses what somebody has made who has not the key of the CA', async () => {
    await backUp({ dataDir, file });
    const own = readFileSync(file);
    // Another site, with administrators of its own, behind the header that the code opens.
    const dataDirOfOther = join(root, 'other');
    await initSite({ dataDir: dataDirOfOther, name: 'primary', listen: LISTEN, url: URL });
    await backUp({ dataDir: dataDirOfOther, file, force: true });
    const theirs = readFileSync(file);
    const [header, body] = [own.subarray(0, own.indexOf('\n') + 1), theirs.subarray(theirs.indexOf('\n') + 1)];
    writeFileSync(file, Buffer.concat([header, body]));
    await assert.rejects(restore(), refused(/was changed or cut off/));
    writeFileSync(file, theirs);
    await assert.rejects(restore(), refused(/this recovery code does not open/));
  });

  it('never writes over a site, nor into a folder in use', async () => {
    await backUp({ dataDir, file });
    const database = `sqlite:${join(dataDir, 'site.db')}`;
    await assert.rejects(restore({ database }), refused(/holds a site already/));
    assert.equal(existsSync(join(root, 'restored')), false);
    await assert.rejects(restore({ dataDir }), refused(/is the data folder of the server primary/));
  });

  it('opens by either code after "ca begin", by the new one alone after "ca switch", and the change of the CA goes on', async () => {
    const identity = join(dataDir, 'identity');
    const current = createPrivateKey(readFileSync(join(identity, 'ca.key'), 'utf8'));
    const [row] = rowsIn(dataDir, 'site');
    const [pem = ''] = JSON.parse(String(row?.caCertificates)) as string[];
    const next = await createSiteCa(made.siteId, Date.now());
    writeFileSync(join(identity, 'ca-next.key'), toPem(next.key), { mode: 0o600 });
    const code = newRecoveryCode();
    const wrapped = wrapCaKeys(String(row?.wrappedCaKey), [current, next.key], code, made.siteId);
    const change = (caCertificates: readonly string[]) => {
      const handle = new Database(join(dataDir, 'site.db'));
      handle
        .prepare('UPDATE site SET caCertificates = ?, wrappedCaKey = ?')
        .run(JSON.stringify(caCertificates), wrapped);
      handle.close();
    };
    const keysIn = (folder: string) => readdirSync(join(folder, 'identity')).filter(name => name.startsWith('ca'));
    const issuerIn = (folder: string) => {
      const certificate = new X509Certificate(readFileSync(join(folder, 'identity', 'tls.crt'), 'utf8'));
      return [pem, next.certificatePem].findIndex(ca => certificate.verify(new X509Certificate(ca).publicKey));
    };
    const to = (name: string) => ({ dataDir: join(root, name), listen: LISTEN });

    change([pem, next.certificatePem]);
    await backUp({ dataDir, file });
    await restore(to('begun-old'));
    assert.deepEqual([keysIn(join(root, 'begun-old')), issuerIn(join(root, 'begun-old'))], [['ca.key'], 0]);
    await restore({ ...to('begun-new'), recoveryCode: formatRecoveryCode(code) });
    assert.deepEqual(keysIn(join(root, 'begun-new')).toSorted(), ['ca-next.key', 'ca.key']);

    change([next.certificatePem, pem]);
    await backUp({ dataDir, file, force: true });
    await assert.rejects(restore(to('switched-old')), refused(/this recovery code does not open/));
    await restore({ ...to('switched-new'), recoveryCode: formatRecoveryCode(code) });
    assert.equal(issuerIn(join(root, 'switched-new')), 1);
    for (const key of keysIn(dataDir)) {
      assert.deepEqual(
        readFileSync(join(root, 'switched-new', 'identity', key)),
        readFileSync(join(identity, key)),
        key,
      );
    }
  });

  it('is made on the Primary alone', async () => {
    rmSync(join(dataDir, 'identity', 'ca.key'));
    await assert.rejects(backUp({ dataDir, file }), refused(/is a Secondary; a backup is made on the Primary/));
  });
});
