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

const ISSUED_AT_MS = Date.UTC(2026, 10, 22);

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
    certificateIssuedAtMs: ISSUED_AT_MS,
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
  const expected = ['ca.crt', 'device.crt', 'device.issued.json', 'device.json', 'device.key', 'device.secret'];
  assert.deepEqual(files, [...expected, 'statement.json']);
  for (const file of files) assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600, file);
});

test('a renewed certificate takes the place of the old one, with its time of issue, and nothing else changes', async () => {
  const store = openIdentityStore(dir);
  store.save(identity);
  const { certificate } = await trust.device(identity.privateKey);
  store.saveCertificate(certificate, ISSUED_AT_MS + 1);
  assert.deepEqual(openIdentityStore(dir).load(), {
    ...identity,
    certificate,
    certificateIssuedAtMs: ISSUED_AT_MS + 1,
  });
});

describe('the time of issue', () => {
  const heldTime = () => openIdentityStore(dir).load()?.certificateIssuedAtMs;

  test('is not known where the power went between the two files of a renewal', async () => {
    const store = openIdentityStore(dir);
    store.save(identity);
    store.saveCertificate((await trust.device(identity.privateKey)).certificate, ISSUED_AT_MS + 1);
    writeFileSync(join(dir, 'device.crt'), identity.certificate);
    assert.equal(heldTime(), undefined);
  });

  for (const content of [undefined, '', '[]', 'null', '{"issuedAtMs":"soon"}'])
    test(`is not known, and the identity is whole, where its file ${content === undefined ? 'is missing' : `holds ${content}`}`, () => {
      openIdentityStore(dir).save(identity);
      const file = join(dir, 'device.issued.json');
      if (content === undefined) rmSync(file);
      else writeFileSync(file, content);
      assert.equal(heldTime(), undefined);
    });
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

test('the CAs are replaced as a whole, and what was kept beside them stays', async () => {
  const next = await createTrust();
  const store = openIdentityStore(dir);
  store.save(identity);
  store.saveStatement(signed(1));
  const caCertificates = [next.caCertificate.trim(), trust.caCertificate.trim()];
  store.saveCaCertificates(caCertificates);
  assert.deepEqual(openIdentityStore(dir).load(), { ...identity, caCertificates });
  store.saveStatement(next.sign(statementOf(next, [statementServer('https://127.0.0.1:1', next.pin)], 2)));
  store.saveCaCertificates([next.caCertificate]);
  assert.equal(openIdentityStore(dir).loadStatement()?.statement.version, 2);
});
