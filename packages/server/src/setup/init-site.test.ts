import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ConfigError, dataFolder, readConfig } from '../config.ts';
import { loadStatementFile, toPem } from '../identity/identity-files.ts';
import { keyHashOfCertificate } from '../identity/key-hash.ts';
import { createPasswordHasher } from '../identity/password-hasher.ts';
import { readRecoveryCode, unwrapCaKey } from '../identity/recovery-code.ts';
import { readHeldStatement } from '../identity/statement-holder.ts';
import { lockFolder } from '../record/dialects/folder-lock.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import { systemClock } from '../runtime/clock.ts';
import { type InitOptions, initSite } from './init-site.ts';

let root: string;
let options: InitOptions;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'thinman-init-'));
  options = {
    dataDir: join(root, 'primary'),
    name: 'primary',
    listen: '127.0.0.1:7443',
    url: 'https://127.0.0.1:7443',
    adminPassword: 'an-administrators-password',
  };
});
afterEach(() => rmSync(root, { recursive: true }));

async function siteOf(dataDir: string) {
  const { database } = readConfig(dataFolder(dataDir));
  const record = openSourceOfRecord(database, { dataDir, clock: systemClock });
  const feed = await record.feed(undefined);
  await record.close();
  if (feed.kind !== 'full') throw new Error('a new replica is filled');
  return feed;
}

describe('init', () => {
  it('makes a site at generation 1, with the Primary, the administrator and the settings', async () => {
    const { siteId, caPin } = await initSite(options);
    const { site, objects } = await siteOf(options.dataDir);
    assert.deepEqual(site.version, { epoch: 1, generation: 1 });
    assert.equal(site.siteId, siteId);
    assert.equal(site.primaryInstance, readConfig(dataFolder(options.dataDir)).instance);
    assert.deepEqual(objects.map(({ kind, name }) => `${kind} ${name}`).toSorted(), [
      'Administrator admin',
      'Server primary',
      'SiteSettings site',
    ]);
    const caPem = readFileSync(join(options.dataDir, 'ca.crt'), 'utf8');
    assert.equal(keyHashOfCertificate(new X509Certificate(caPem)), caPin);
    const held = readHeldStatement(loadStatementFile(options.dataDir), [caPem]);
    assert.deepEqual(held?.signed, site.statement);
    assert.deepEqual(
      held?.statement.servers.map(({ name, role, url }) => [name, role, url]),
      [['primary', 'primary', options.url]],
    );
    assert.equal(statSync(options.dataDir).mode & 0o777, 0o700);
  });

  it('lets the administrator in by the password, which is nowhere in the folder', async () => {
    await initSite(options);
    const { objects } = await siteOf(options.dataDir);
    const held = objects.find(({ kind }) => kind === 'Administrator')?.system as {
      passwordSalt: string;
      passwordHash: string;
    };
    assert.ok(await createPasswordHasher().administratorFits('an-administrators-password', held));
    for (const entry of readdirSync(options.dataDir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const bytes = readFileSync(join(entry.parentPath, entry.name));
      assert.ok(!bytes.includes('an-administrators-password'), entry.name);
    }
  });

  it('leaves the CA key in the site row, for whoever has the recovery code', async () => {
    const { siteId, recoveryCode } = await initSite(options);
    const { site } = await siteOf(options.dataDir);
    const read = readRecoveryCode(recoveryCode);
    assert.ok(read.ok);
    const key = unwrapCaKey(site.wrappedCaKey, read.code, siteId);
    assert.ok(key !== undefined);
    assert.equal(toPem(key), readFileSync(join(options.dataDir, 'identity/ca.key'), 'utf8'));
  });

  it('refuses a folder that is a server already, and leaves it as it is', async () => {
    const { siteId } = await initSite(options);
    await assert.rejects(initSite(options), error => error instanceof ConfigError && /already/.test(error.message));
    assert.equal((await siteOf(options.dataDir)).site.siteId, siteId);
  });

  it('refuses a folder with something else in it, and one that is in use', async () => {
    mkdirSync(options.dataDir);
    const precious = join(options.dataDir, 'precious.txt');
    writeFileSync(precious, 'mine');
    await assert.rejects(initSite(options), error => error instanceof ConfigError && /not empty/.test(error.message));
    assert.ok(existsSync(precious));
    rmSync(precious);
    const release = lockFolder(options.dataDir);
    await assert.rejects(initSite(options), error => error instanceof ConfigError && /in use/.test(error.message));
    release?.();
    await initSite(options);
  });

  it('makes a folder that can be moved: its own database is found beside it', async () => {
    const { siteId } = await initSite(options);
    const moved = join(root, 'moved');
    renameSync(options.dataDir, moved);
    assert.equal((await siteOf(moved)).site.siteId, siteId);
  });
  it('refuses a database that holds a site, and leaves nothing behind', async () => {
    await initSite(options);
    const database = `sqlite:${join(options.dataDir, 'site.db')}`;
    const second = { ...options, dataDir: join(root, 'second'), database };
    await assert.rejects(initSite(second), error => error instanceof ConfigError && /holds a site/.test(error.message));
    assert.ok(!existsSync(second.dataDir));
    await initSite({ ...second, database: `sqlite:${join(root, 'second', 'site.db')}` });
  });

  it('refuses names and addresses that cannot be, before it makes anything', async () => {
    for (const wrong of [{ name: 'a b' }, { listen: 'nowhere' }, { url: 'http://a' }, { database: 'mysql://a/b' }]) {
      await assert.rejects(initSite({ ...options, ...wrong }), ConfigError);
    }
    assert.ok(!existsSync(options.dataDir));
  });
});
