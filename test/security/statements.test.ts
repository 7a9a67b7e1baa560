import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { encodeStatement, type ServerFrame, type SignedStatement, type SiteStatement } from '@thinman/protocol';
import { openIdentityStore } from '../../packages/agent/src/adapters/identity-store.ts';
import { createSealing } from '../../packages/agent/src/adapters/sealing.ts';
import { verifyStatement } from '../../packages/agent/src/adapters/statement.ts';
import type { ChannelListener, DeviceIdentity, ServerClient } from '../../packages/agent/src/ports.ts';
import { createRunner } from '../../packages/agent/src/runtime/runner.ts';
import { createStatementHolder } from '../../packages/server/src/identity/statement-holder.ts';
import { manualClock } from '../support/manual-clock.ts';
import { emptyDevice, memoryCache } from '../support/memory-cache.ts';
import { deviceIdentity } from '../support/tls-lab.ts';
import { createTrust, statementOf, statementServer, type Trust } from '../support/trust.ts';

// A site whose Secondary is in somebody else's hands. It says hello with each of these; version 5 is held.
const HELD_VERSION = 5;
const EVIL = statementServer('https://evil.example:8443', 'e'.repeat(43));

let trust: Trust;
let others: Trust;
let held: SiteStatement;
before(async () => {
  [trust, others] = [await createTrust(), await createTrust()];
  held = statementOf(
    trust,
    [
      statementServer('https://primary.example:8443', 'p'.repeat(43)),
      statementServer('https://secondary.example:8443', 's'.repeat(43), 'secondary'),
    ],
    HELD_VERSION,
  );
});

const evil = (more: Partial<SiteStatement> = {}): SiteStatement => ({ ...held, version: 99, servers: [EVIL], ...more });

/** What nobody may believe, and why. */
const FORGED: Readonly<Record<string, () => SignedStatement>> = {
  'signed by another CA': () => others.sign(evil()),
  'signed by another CA that says it is ours': () => ({ ...others.sign(evil()), signedBy: trust.pin }),
  'with a high epoch, signed by another CA': () => ({ ...others.sign(evil({ epoch: 1_000 })), signedBy: trust.pin }),
  'with our signature of another text': () => ({ ...trust.sign(held), statement: encodeStatement(evil()) }),
  'without a signature': () => ({ ...trust.sign(held), statement: encodeStatement(evil()), signature: '' }),
  'of another site, under our CA': () => trust.sign(evil({ siteId: randomUUID() })),
  'older, rightly signed': () => trust.sign(evil({ version: HELD_VERSION - 1 })),
  'of the same number with another content, rightly signed': () => trust.sign(evil({ version: HELD_VERSION })),
};
/** So that the rest proves something. */
const newer = () => trust.sign({ ...held, version: HELD_VERSION + 1, servers: held.servers.slice(0, 1) });

describe('a statement that a device hears from a server in its list', () => {
  let folder: string;
  let identity: DeviceIdentity;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'thinman-statements-'));
    identity = await deviceIdentity(trust);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A device that has just connected to this server hears this. What it believes, on disk and in its status, and what it told. */
  async function hears(signed: SignedStatement) {
    const store = openIdentityStore(folder);
    store.save({ ...identity, siteId: held.siteId });
    store.saveStatement(trust.sign(held));
    const clock = manualClock();
    const device = emptyDevice();
    const channels: { readonly listener: ChannelListener; readonly server: string }[] = [];
    const runner = createRunner({
      identity: { ...identity, deviceSecret: randomBytes(32) },
      identityStore: store,
      client: nobodyAnswersButProbes,
      channels: {
        readyz: (server, _deadlineMs, signal) => nobodyAnswersButProbes.readyz(server, signal),
        reset() {},
        open({ name: server }, _deadlineMs, _pingMs, listener) {
          channels.push({ listener, server });
          queueMicrotask(() => listener.onOpen());
          return { send() {}, ping() {}, close() {} };
        },
      },
      hasher: { derive: () => Promise.reject(new Error('nobody logs in')) },
      sealing: createSealing(),
      cache: memoryCache(device),
      clock,
      random: () => 0.5,
      uuid: randomUUID,
      verifyStatement: candidate => verifyStatement(candidate, identity.caCertificates, held.siteId),
      agentVersion: 'test',
      statement: held,
    });
    runner.start();
    await clock.advance(1_000);
    const [first] = channels;
    assert.ok(first);
    first.listener.onFrame(helloOf(first.server, signed));
    await clock.advance(1_000);
    const believed = store.loadStatement()?.statement;
    const urls = runner.status().servers.map(({ url }) => url);
    // What happens while it starts is on the disk at the latest then (ADR 0113).
    runner.stop();
    const alarms = device.outbox.filter(({ type }) => type.startsWith('alarm.')).map(({ type }) => type);
    return { version: believed?.version, urls, alarms, asked: channels.map(({ server }) => server) };
  }

  test('newer and signed by the site, is believed from then on', async () => {
    const { version, urls, alarms } = await hears(newer());
    assert.deepEqual([version, urls, alarms], [HELD_VERSION + 1, ['https://primary.example:8443'], []]);
  });

  for (const [what, forge] of Object.entries(FORGED)) {
    test(`${what}: the list stays, in memory and on disk`, async () => {
      const { version, urls } = await hears(forge());
      assert.equal(version, HELD_VERSION);
      assert.deepEqual(
        urls,
        held.servers.map(({ url }) => url),
      );
    });
  }

  test('that the site has not signed raises an alarm, and the next server is asked', async () => {
    const { alarms, asked } = await hears(others.sign(evil()));
    assert.deepEqual(alarms, ['alarm.statement']);
    assert.deepEqual(asked.slice(0, 2), ['primary', 'secondary']);
  });
});

describe('a statement on the device’s disk', () => {
  for (const [what, forge] of Object.entries(FORGED).filter(([what]) => !what.includes('rightly signed'))) {
    test(`${what}: the device does not start with it, and says what to do`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'thinman-statements-'));
      try {
        const store = openIdentityStore(folder);
        store.save({ ...(await deviceIdentity(trust)), siteId: held.siteId });
        store.saveStatement(trust.sign(held));
        const file = join(folder, 'statement.json');
        assert.ok(JSON.parse(readFileSync(file, 'utf8')).signature);
        writeFileSync(file, JSON.stringify(forge()));
        assert.throws(() => store.loadStatement(), { name: 'IdentityDamaged' });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});

describe('a statement that a server hears, over the link or out of its database', () => {
  const holder = () => {
    const saved: SignedStatement[] = [];
    const first = { signed: trust.sign(held), statement: held };
    return {
      saved,
      ...createStatementHolder({ held: first }, () => [trust.caCertificate], {
        save: signed => saved.push(signed),
        saveRival: () => assert.fail('there is no other line'),
      }),
    };
  };

  test('newer and signed by the site, is believed and kept', () => {
    const { offer, current, saved } = holder();
    assert.equal(offer(newer()), true);
    assert.deepEqual([current().statement.version, saved.length], [HELD_VERSION + 1, 1]);
  });

  for (const [what, forge] of Object.entries(FORGED)) {
    test(`${what}: it stays with its own`, () => {
      const { offer, current, saved } = holder();
      assert.equal(offer(forge()), false);
      assert.deepEqual([current().statement.version, saved.length], [HELD_VERSION, 0]);
    });
  }
});

function helloOf(server: string, statement: SignedStatement): ServerFrame {
  const version = { epoch: 1, generation: 1 };
  return { type: 'hello', server, state: 'serving', version, statement, serverTime: Date.UTC(2026, 10, 22), users: [] };
}

const gone = async () => ({ kind: 'failed', reason: 'reset', detail: 'gone', elapsedMs: 0 }) as const;
const nobodyAnswersButProbes: ServerClient = {
  changePassword: gone,
  readyz: async ({ name, role }) => ({
    kind: 'ok',
    elapsedMs: 1,
    value: {
      ...{ name, role, state: 'serving', epoch: 1, generation: 1, connectedDevices: 0, journalPending: 0 },
      ...{ version: '0', schema: 1, database: { kind: 'sqlite', reachable: true, lagMs: 0 } },
    },
  }),
  ...{
    begin: gone,
    login: gone,
    deviceBundle: gone,
    userBundle: gone,
    refreshSession: gone,
    vouch: gone,
    logout: gone,
  },
  ...{ sendEvents: gone, renew: gone, roundTripMs: () => undefined, reset() {}, close: async () => {} },
};
