import assert from 'node:assert/strict';
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CaStatus, CaStepAnswer, PROTOCOL_HEADER, PROTOCOL_VERSION, Problem, parseJson } from '@thinman/protocol';
import { issuerOf } from '../../packages/agent/src/adapters/device-key.ts';
import { openIdentityStore } from '../../packages/agent/src/adapters/identity-store.ts';
import { verifyStatement } from '../../packages/agent/src/adapters/statement.ts';
import { openCaKeys } from '../../packages/server/src/identity/ca-keys.ts';
import { openCertificateAuthority } from '../../packages/server/src/identity/certificate-authority.ts';
import { createCsr } from '../../packages/server/src/identity/csr.ts';
import { splitPem } from '../../packages/server/src/identity/identity-files.ts';
import { keyHashOf } from '../../packages/server/src/identity/key-hash.ts';
import { readRecoveryCode, unwrapCaKeys } from '../../packages/server/src/identity/recovery-code.ts';
import { signStatement } from '../../packages/server/src/identity/statement.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { systemClock } from '../../packages/server/src/runtime/clock.ts';
import { type LocalDevice, type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const PASSWORD = 'a-first-password';

let site: SiteInProcess;
const step = (name: 'begin' | 'switch' | 'finish', body: { readonly force?: boolean } = {}) =>
  site.primary.ask(CaStepAnswer, `/ca/${name}`, body);
const status = () => site.primary.ask(CaStatus, '/ca');
const waiting = ({ waitingFor }: CaStatus) => waitingFor.map(({ name, why }) => `${name} ${why}`);

async function logIn(device: LocalDevice): Promise<string | null> {
  await device.waitUntilOnline();
  const { verdict, mode, server } = await device.running().login('alice', PASSWORD);
  assert.deepEqual([verdict, mode], ['granted', 'online'], device.name);
  return server;
}

const issuerIn = (device: LocalDevice) => {
  const { certificate, caCertificates } = device.identity();
  return issuerOf(certificate, caCertificates);
};
const pinsIn = (device: LocalDevice) => device.identity().caCertificates.map(pem => pinOf(pem));
const pinOf = (pem: string) => keyHashOf(new X509Certificate(pem).publicKey);

/** What a client is answered that trusts this CA alone, and shows this certificate; an error's code if it does not connect. */
function reach(
  { url }: LocalServer,
  ca: string,
  client: { readonly key?: string; readonly cert?: string } = {},
): Promise<string> {
  return new Promise(resolve => {
    const headers = { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) };
    get(`${url}/v1/device/bundle`, { ca, agent: false, headers, ...client }, answer => {
      let text = '';
      answer.on('data', chunk => {
        text += chunk;
      });
      answer.on('end', () => {
        const problem = parseJson(Problem, text, 100_000);
        resolve(problem.ok ? problem.value.code : 'served');
      });
    }).on('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message));
  });
}

const shownIssuer = async (server: LocalServer) => {
  const { servers } = await status();
  return servers.find(({ name }) => name === server.name)?.certificate?.issuer;
};

async function siteRow() {
  const record = openSourceOfRecord(`sqlite:${join(site.primary.dir, 'site.db')}`, {
    ...{ dataDir: site.primary.dir, clock: systemClock, readOnly: true },
  });
  try {
    const row = await record.site();
    assert.ok(row);
    return row;
  } finally {
    await record.close();
  }
}

/** The pins of the CAs whose keys this code opens. */
async function opens(text: string): Promise<string[]> {
  const read = readRecoveryCode(text);
  assert.ok(read.ok);
  const { wrappedCaKey, siteId } = await siteRow();
  return unwrapCaKeys(wrappedCaKey, read.code, siteId).map((key: KeyObject) => keyHashOf(key));
}

describe('a whole change of the CA', () => {
  let secondary: LocalServer;
  let here: LocalDevice;
  let away: LocalDevice;
  let oldCa: string;
  let oldKey: string;
  let oldPin: string;
  let newPin: string;
  let newCode: string;
  let tokenBefore: string;
  let tokenBetween: string;

  before(async () => {
    site = await siteInProcess();
    secondary = await site.joinSecondary();
    await site.apply({ kind: 'User', name: 'alice', body: { password: PASSWORD } });
    [oldCa, oldKey, oldPin] = [site.primary.read('ca.crt'), site.primary.read('identity/ca.key'), site.made.caPin];
    here = await site.enrol('tc-here');
    away = await site.enrol('tc-away');
    for (const device of [here, away]) {
      await device.start();
      await logIn(device);
    }
    await waitFor('the events of tc-away', () => away.running().status().pendingEvents === 0 || undefined);
    await away.stop();
    tokenBefore = await site.token({ for: 'device', uses: 10 });
  });
  after(() => site.close());

  test('before: nothing to switch or to finish', async () => {
    assert.deepEqual([(await step('switch')).outcome, (await step('finish')).outcome], ['too_early', 'already']);
    assert.deepEqual([(await status()).phase, (await status()).cas.length], ['steady', 1]);
  });

  test('begin: servers and devices that are here learn to trust the next CA, and nothing else changes', async () => {
    const begun = await step('begin');
    assert.deepEqual([begun.outcome, begun.status.phase], ['done', 'begun']);
    newPin = begun.status.cas[1]?.pin ?? '';
    newCode = begun.recoveryCode ?? '';
    assert.deepEqual(await opens(site.made.recoveryCode), [oldPin]);
    assert.deepEqual(await opens(newCode), [oldPin, newPin]);
    await waitFor('tc-here to hold both', () => pinsIn(here).join() === [oldPin, newPin].join() || undefined);
    await waitFor(
      'the Secondary to be ready',
      async () => waiting(await status()).join() === 'tc-away lacks_next_ca' || undefined,
    );
    assert.equal(issuerIn(here), oldPin);
    assert.equal(await logIn(here), 'primary');
    assert.equal((await step('finish')).outcome, 'too_early');
    tokenBetween = await site.token({ for: 'device', uses: 10 });
  });

  test('tokens made before and in between enrol devices that hold both', async () => {
    for (const [name, token] of Object.entries({ 'tc-b1': tokenBefore, 'tc-b2': tokenBetween })) {
      const device = await site.enrol(name, token);
      assert.deepEqual([pinsIn(device), issuerIn(device)], [[oldPin, newPin], oldPin]);
      await device.start();
      await logIn(device);
    }
  });

  test('switch: waits for whoever was seen lately and is not ready, and says who that is', async () => {
    const refused = await step('switch');
    assert.deepEqual([refused.outcome, waiting(refused.status)], ['waiting', ['tc-away lacks_next_ca']]);
    assert.equal((await status()).phase, 'begun');
  });

  test('switch: servers and devices renew under the new CA, and logins go on', async () => {
    assert.equal((await step('switch', { force: true })).outcome, 'done');
    for (const server of [site.primary, secondary]) {
      await waitFor(`${server.name} to show it`, async () => (await shownIssuer(server)) === newPin || undefined);
    }
    await waitFor('tc-here to be renewed', () => issuerIn(here) === newPin || undefined);
    assert.equal(await logIn(here), 'primary');
    assert.equal((await step('switch')).outcome, 'already');
  });

  test('switch: whoever trusts the old CA alone still reaches both servers, and enrols with a token of before', async () => {
    for (const server of [site.primary, secondary]) assert.equal(await reach(server, oldCa), 'device_unknown');
    for (const [name, token] of Object.entries({ 'tc-s1': tokenBefore, 'tc-s2': tokenBetween })) {
      const device = await site.enrol(name, token);
      assert.deepEqual([pinsIn(device), issuerIn(device)], [[newPin, oldPin], newPin]);
      await device.start();
      await logIn(device);
    }
  });

  test('switch: logins go on through the Secondary when the Primary stops, and when all is started anew', async () => {
    await site.primary.stop();
    await waitFor('tc-here to move', () => here.running().status().server?.name === 'secondary' || undefined);
    assert.equal(await logIn(here), 'secondary');
    await site.primary.start();
    await secondary.stop();
    await secondary.start();
    await here.stop();
    await here.start();
    await logIn(here);
    assert.equal((await status()).phase, 'switched');
  });

  test('finish: waits for certificates of the old CA', async () => {
    const stillLinked = async () => !waiting(await status()).some(one => one.startsWith('secondary')) || undefined;
    await waitFor('the Secondary to be linked', stillLinked);
    const rest = ['tc-away old_certificate'];
    await waitFor('the others to be ready', async () => waiting(await status()).join() === rest.join() || undefined);
    const refused = await step('finish');
    assert.deepEqual([refused.outcome, waiting(refused.status)], ['waiting', rest]);
  });

  test('a device that was away during begin and switch finds its way', async () => {
    assert.deepEqual(pinsIn(away), [oldPin]);
    await away.start();
    await logIn(away);
    await waitFor('tc-away to be renewed', () => issuerIn(away) === newPin || undefined);
    assert.deepEqual(pinsIn(away), [newPin, oldPin]);
    assert.deepEqual(await site.events('alarm.statement'), []);
    assert.deepEqual(await site.events('alarm.tls'), []);
  });

  test('finish: the old CA is gone, and nobody who is here notices', async () => {
    await waitFor('all to be ready', async () => (await status()).waitingFor.length === 0 || undefined);
    const finished = await step('finish');
    assert.deepEqual([finished.outcome, finished.status.phase], ['done', 'steady']);
    assert.deepEqual(
      finished.status.cas.map(({ pin }) => pin),
      [newPin],
    );
    for (const device of [here, away]) {
      await waitFor(`${device.name} to drop it`, () => pinsIn(device).join() === newPin || undefined);
      await logIn(device);
    }
    await waitFor('the Secondary to drop it', () => pinOf(secondary.read('ca.crt')) === newPin || undefined);
    assert.equal(keyHashOf(createPrivateKey(site.primary.read('identity/ca.key'))), newPin);
    assert.equal(existsSync(join(site.primary.dir, 'identity/ca-next.key')), false);
    assert.deepEqual([await opens(site.made.recoveryCode), await opens(newCode)], [[], [newPin]]);
    assert.equal((await step('finish')).outcome, 'already');
  });

  test('afterwards: the old CA opens nothing', async () => {
    const newCa = site.primary.read('ca.crt');
    const forger = openCertificateAuthority(oldKey, oldCa, systemClock);
    const { privateKey, deviceId, certificate } = here.identity();
    const { pem: cert } = await forger.issueDevice(await createCsr(createPrivateKey(privateKey)), deviceId);
    for (const server of [site.primary, secondary]) {
      assert.equal(await reach(server, newCa, { key: privateKey, cert: certificate }), 'served');
      assert.equal(await reach(server, newCa, { key: privateKey, cert }), 'device_unknown');
      assert.notEqual(await reach(server, oldCa), 'device_unknown');
    }
    const { statement } = openIdentityStore(join(here.dir, 'identity')).loadStatement() ?? {};
    assert.ok(statement);
    assert.deepEqual(statement.caPins, [newPin]);
    const forged = signStatement({ ...statement, version: statement.version + 1 }, createPrivateKey(oldKey));
    assert.equal(verifyStatement(forged, here.identity().caCertificates), undefined);
    const refused = await site.tryToEnrol('tc-late', tokenBefore);
    assert.equal(refused.ok ? 'enrolled' : refused.why, 'pin_mismatch');
    assert.deepEqual(pinsIn(await site.enrol('tc-in-time', tokenBetween)), [newPin]);
  });

  test('afterwards: everything starts anew, and it can be done once more', async () => {
    await here.stop();
    await secondary.stop();
    await site.primary.stop();
    await site.primary.start();
    await secondary.start();
    await here.start();
    await logIn(here);
    const again = await step('begin');
    assert.equal(again.outcome, 'done');
    assert.deepEqual(again.status.cas.map(({ pin }) => pin).length, 2);
    assert.notEqual(again.status.cas[1]?.pin, newPin);
    assert.deepEqual(await opens(newCode), [newPin]);
    await waitFor('tc-here to hold both', () => pinsIn(here).length === 2 || undefined);
  });
});

describe('a change of the CA that is cut off', () => {
  let device: LocalDevice | undefined;
  const theDevice = () => {
    assert.ok(device);
    return device;
  };
  const files = ['ca.crt', 'identity/ca.key', 'identity/ca-next.key', 'identity/tls.crt', 'identity/statement.json'];
  const path = (file: string) => join(site.primary.dir, file);
  const held = () => files.map(file => [file, existsSync(path(file)) ? readFileSync(path(file)) : undefined] as const);
  /** As if the process had died right after the commit, before anything of it reached these files. */
  async function restartWith(before: ReturnType<typeof held>): Promise<void> {
    // A new agent, too: one that was on line says so until it has noticed.
    await device?.stop();
    await site.primary.stop();
    for (const [file, content] of before) {
      if (content === undefined) rmSync(path(file), { force: true });
      else writeFileSync(path(file), content, { mode: 0o600 });
    }
    await site.primary.start();
    await device?.start();
  }
  const serves = async () => assert.equal(await logIn(theDevice()), 'primary');

  before(async () => {
    site = await siteInProcess();
    await site.apply({ kind: 'User', name: 'alice', body: { password: PASSWORD } });
    device = await site.enrol('tc-1');
    await device.start();
    await serves();
  });
  after(() => site.close());

  test('before the commit of begin: the site has one CA, and the key that was made is used the next time', async () => {
    const identity = join(site.primary.dir, 'identity');
    const left = openCaKeys(identity)?.prepareNext();
    assert.ok(left);
    await restartWith(held());
    assert.deepEqual([(await status()).phase, (await status()).cas.length], ['steady', 1]);
    await serves();
    const begun = await step('begin');
    assert.equal(begun.status.cas[1]?.pin, keyHashOf(left));
  });

  test('after the commit of begin: the same CA, and another code', async () => {
    const before = held();
    const [current, next] = (await status()).cas.map(({ pin }) => pin);
    const first = await step('begin');
    const [firstCa = ''] = splitPem(site.primary.read('ca.crt'));
    await restartWith(before.map(([file, content]) => [file, file === 'ca.crt' ? Buffer.from(firstCa) : content]));
    const again = await step('begin');
    assert.deepEqual(
      again.status.cas.map(({ pin }) => pin),
      [current, next],
    );
    assert.deepEqual(await opens(first.recoveryCode ?? ''), []);
    assert.deepEqual(await opens(again.recoveryCode ?? ''), [current, next]);
    await serves();
  });

  test('a next key that was lost is replaced by that of another CA', async () => {
    const [current, lost] = (await status()).cas.map(({ pin }) => pin);
    await restartWith(held().map(([file, content]) => [file, file === 'identity/ca-next.key' ? undefined : content]));
    assert.equal((await step('switch', { force: true })).outcome, 'too_early');
    const again = await step('begin');
    assert.equal(again.status.cas[0]?.pin, current);
    assert.notEqual(again.status.cas[1]?.pin, lost);
    const pins = again.status.cas.map(({ pin }) => pin).join();
    await waitFor('the device to follow', () => pinsIn(theDevice()).join() === pins || undefined);
    await serves();
  });

  test('after the commit of switch, and of finish', async () => {
    for (const name of ['switch', 'finish'] as const) {
      await waitFor('all to be ready', async () => (await status()).waitingFor.length === 0 || undefined);
      const before = held();
      assert.equal((await step(name)).outcome, 'done');
      const { phase, cas } = await status();
      await restartWith(before);
      assert.deepEqual([(await status()).phase, (await status()).cas], [phase, cas]);
      assert.equal((await step(name)).outcome, 'already');
      await serves();
    }
    const [{ pin = '' } = {}] = (await status()).cas;
    assert.equal(keyHashOf(createPrivateKey(site.primary.read('identity/ca.key'))), pin);
    assert.equal(existsSync(path('identity/ca-next.key')), false);
    await waitFor(
      'the device to follow',
      () => (issuerIn(theDevice()) === pin && pinsIn(theDevice()).join() === pin) || undefined,
    );
  });
});
