import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { DEVICE_ID, SITE_ID } from '../../../../test/support/ids.ts';
import { createTrust, statementOf, statementServer, type Trust } from '../../../../test/support/trust.ts';
import type { DeviceIdentity } from '../ports.ts';
import { IdentityDamaged, keyForEnrolment, openIdentityStore } from './identity-store.ts';

let trust: Trust;
let identity: DeviceIdentity;
let dir: string;
before(async () => {
  trust = await createTrust();
  const { key, certificate, keyHash } = await trust.device();
  identity = {
    siteId: SITE_ID,
    deviceId: DEVICE_ID,
    name: 'tc-1',
    privateKey: key,
    certificate,
    caCertificates: [trust.caCertificate.trim()],
    keyHash,
    deviceSecret: randomBytes(32),
  };
});
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'thinman-identity-')), 'identity');
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

const signed = (version: number, by = trust) =>
  by.sign(statementOf(trust, [statementServer('https://127.0.0.1:1', trust.pin)], version));

test('a device that is not enrolled has no identity and no statement', () => {
  const store = openIdentityStore(dir);
  assert.equal(store.load(), undefined);
  assert.equal(store.loadStatement(), undefined);
});

test('what was saved is what is loaded, by another process too', () => {
  openIdentityStore(dir).save(identity);
  assert.deepEqual(openIdentityStore(dir).load(), identity);
});

test('every file is 0600 in a folder of 0700, whatever the umask, and no draft is left', () => {
  const umask = process.umask(0);
  try {
    const store = openIdentityStore(dir);
    store.save(identity);
    store.saveStatement(signed(1));
  } finally {
    process.umask(umask);
  }
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  const files = readdirSync(dir).sort();
  assert.deepEqual(files, ['ca.crt', 'device.crt', 'device.json', 'device.key', 'device.secret', 'statement.json']);
  for (const file of files) assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600, file);
});

describe('a damaged identity says what is wrong and what to do', () => {
  const damages: readonly [file: string, content: string | undefined][] = [
    ['device.json', '{'],
    ['device.json', '{"siteId":"x"}'],
    ['device.key', 'garbage'],
    ['device.key', undefined],
    ['device.crt', ''],
    ['ca.crt', ''],
    ['device.secret', 'short'],
    ['device.secret', undefined],
  ];
  for (const [file, content] of damages) {
    test(`${file} ${content === undefined ? 'missing' : `holds ${JSON.stringify(content)}`}`, () => {
      const store = openIdentityStore(dir);
      store.save(identity);
      if (content === undefined) rmSync(join(dir, file));
      else writeFileSync(join(dir, file), content);
      assert.throws(
        () => store.load(),
        error => error instanceof IdentityDamaged && error.message.includes(file) && /enrol/.test(error.message),
      );
    });
  }

  test("a certificate of another device's key", async () => {
    const store = openIdentityStore(dir);
    store.save(identity);
    writeFileSync(join(dir, 'device.crt'), (await trust.device()).certificate);
    assert.throws(() => store.load(), IdentityDamaged);
  });

  test('a statement that is not the site’s any more', () => {
    const store = openIdentityStore(dir);
    store.save(identity);
    store.saveStatement(signed(1));
    writeFileSync(
      join(dir, 'statement.json'),
      readFileSync(join(dir, 'statement.json'), 'utf8').replace('epoch', 'epocH'),
    );
    assert.throws(() => store.loadStatement(), IdentityDamaged);
  });
});

test('only a newer statement that the site signed is kept', async () => {
  const store = openIdentityStore(dir);
  store.save(identity);
  const held = () => store.loadStatement()?.statement.version;
  store.saveStatement(signed(2));
  assert.equal(held(), 2);
  store.saveStatement(signed(1));
  assert.equal(held(), 2);
  store.saveStatement(signed(9, await createTrust()));
  assert.equal(held(), 2);
  store.saveStatement(signed(3));
  assert.equal(held(), 3);
});

test('the key for an enrolment stays the same from attempt to attempt, and is no identity yet', () => {
  const first = keyForEnrolment(dir);
  assert.equal(keyForEnrolment(dir), first);
  assert.equal(openIdentityStore(dir).load(), undefined);
  writeFileSync(join(dir, 'device.key'), '');
  assert.match(keyForEnrolment(dir), /BEGIN PRIVATE KEY/);
});
