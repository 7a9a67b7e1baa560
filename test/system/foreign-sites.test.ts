import assert from 'node:assert/strict';
import { copyFileSync, cpSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { decodeToken, encodeToken, PROTOCOL_HEADER, PROTOCOL_VERSION, type TokenContent } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { createAgentCommands } from '../support/agent-commands.ts';
import { copyDatabase, putBackDatabase } from '../support/database-files.ts';
import { deviceCredential } from '../support/impostor.ts';
import { expectLogin } from '../support/logins.ts';
import type { Finished, Processes } from '../support/processes.ts';
import { createServerCommands, type Server } from '../support/server-commands.ts';
import { ADMIN_PASSWORD, type Site, waitUntilOn } from '../support/site.ts';
import { systemTest, systemTests } from '../support/system-test.ts';
import { FAST_TIMINGS } from '../support/timings.ts';
import { ALICE, BOB } from '../support/ward.ts';

/** Tokens of the other site, made while its server ran. */
const theirs = { device: '', server: '' };

systemTests(
  'another site',
  {},
  {
    'has taken the addresses of ours: its server is no server to our devices': async (site, processes) => {
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, ALICE, 'granted online by primary');
      await site.primary.kill();
      const foreign = await foundElsewhere(site, processes);
      for (const what of ['device', 'server'] as const) theirs[what] = await token(foreign, what);
      await tc1.waitForStatus('to have met the stranger', ({ servers }) =>
        servers.some(({ name, lastError }) => name === 'primary' && lastError === 'tls'),
      );
      await expectLogin(tc1, BOB, 'granted online by secondary');
      assert.equal((await foreign.status()).connectedDevices, 0);
      assert.deepEqual(
        (await foreign.events()).filter(({ origin }) => origin.startsWith('device:')),
        [],
      );

      const stranger = createAgentCommands(processes, 'tc-stranger', join(site.folder, 'tc-stranger'), noHistory());
      assert.equal((await stranger.enroll(await token(foreign, 'device'))).code, 0);
      await foreign.stop();
      await site.primary.start();
      await waitUntilOn(tc1, site.primary);
      assert.match(await stranger.start(), /^READY mode=offline\b/);
      const { servers } = await stranger.status();
      assert.deepEqual(
        servers.map(({ lastError }) => lastError),
        ['tls'],
      );
      await stranger.stop();
    },

    'certified a device: to our servers it is nobody, and nothing to approve': async site => {
      const { key, certificate, keyHash } = deviceCredential({ data: join(site.folder, 'tc-stranger') });
      for (const { url } of [site.primary, site.secondary]) {
        const problem = await ask(new URL('/v1/device/bundle', url), { key, cert: certificate });
        assert.equal(problem.code, 'device_unknown');
      }
      await site.settle();
      const events = await site.primary.events();
      assert.ok(!events.some(({ data }) => data.keyHash === keyHash));
    },

    'made a token: it opens nothing here, and its secret is not sent': async (site, processes) => {
      const ours = contentOf(await token(site.primary, 'device'));
      const used = (await site.primary.get('EnrollmentToken')).length;

      refused(await enroll(site, processes, theirs.device), 2, /does not fit the token's pin, so nothing was sent/);
      const withOurPins = encodeToken({ ...contentOf(theirs.device), pins: ours.pins });
      refused(
        await enroll(site, processes, withOurPins),
        2,
        /the token is refused \(no token of this site has this secret\)/,
      );
      refused(await enroll(site, processes, theirs.server), 2, /this token is for a server/);
      refused(await joinBy(theirs.server, site, processes), 2, /--database holds another site \(.+\) than the token/);
      assert.equal((await site.primary.get('EnrollmentToken')).length, used);
      assert.deepEqual(
        (await site.primary.get('Device')).map(({ name }) => name),
        ['tc-1'],
      );
    },

    'gave a device its CA, or its statement: the agent says so, and does not start': async (site, processes) => {
      const tc1 = site.agent('tc-1');
      await tc1.stop();
      for (const file of ['ca.crt', 'statement.json']) {
        const mixed = join(site.folder, `mixed-${file}`);
        copyFolder(tc1.data, mixed);
        copyFileSync(join(site.folder, 'tc-stranger', 'identity', file), join(mixed, 'identity', file));
        const ended = await processes.run('thinman-agent', ['start', '--data', mixed]);
        refused(ended, 4, /statement\.json is not signed by this site; restore that folder from a backup/);
      }
      refused(await tc1.enroll(await token(site.primary, 'device')), 2, /is enrolled already, as tc-1/);
      await tc1.start();
      await waitUntilOn(tc1, site.primary);
    },

    'has its database where ours was: it gets nothing, people go on, and no event is lost': async site => {
      const { primary } = site;
      await site.settle();
      copyDatabase(primary.data, join(site.folder, 'ours'));
      putBackDatabase(join(site.folder, 'elsewhere'), primary.data);
      const theirs = rowsIn(primary);
      await primary.waitForStatus('to see it', ({ why }) => why === 'other_site');
      await primary.stop();
      assert.match(await primary.start(), /^READY .* state=degraded/);
      const { user } = await expectLogin(site.agent('tc-1'), ALICE, /^granted degraded by /);

      const eve = JSON.stringify({ kind: 'User', name: 'eve', body: {} });
      for (const [args, input] of [
        [['apply', '-f', '-'], eve],
        [['token', 'device']],
        [['get', 'Event']],
        [['history', 'User', user]],
      ] as const) {
        refused(
          await primary.thinman(args, input),
          4,
          /database.*holds another site.*put this site's own database back/,
        );
      }
      for (const args of [['accept-database', '--dry-run'], ['backup', join(site.folder, 'backup')], ['verify']]) {
        refused(await primary.tend(args), 4, /holds another site/);
      }
      assert.match((await primary.ownStatus()).stdout, /degraded: its database holds another site and is not used/);
      assert.match((await primary.tend(['doctor'])).stdout, /fail +database +the database holds another site/i);
      assert.ok((await primary.status()).journalPending > 0);
      assert.deepEqual(rowsIn(primary), theirs);

      putBackDatabase(join(site.folder, 'ours'), primary.data);
      await primary.waitForStatus('to have its own again', ({ state }) => state === 'serving');
    },
  },
);

/** Seven is what six logins and two agents that take turns need; two that fight made a hundred. */
const FEW_CONNECTIONS = 40;

systemTest(
  'a copied data folder: both agents serve, the site is told, and nobody reconnects without end',
  { wires: true },
  async (site, processes) => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online by/);
    await site.apply(
      JSON.stringify({
        kind: 'SiteSettings',
        name: 'site',
        body: { agent: { ...FAST_TIMINGS, breakerFirstMs: 2_000, breakerMaxMs: 4_000 } },
      }),
    );
    await tc1.stop();
    const copy = join(site.folder, 'copy');
    copyFolder(tc1.data, copy);
    const twin = createAgentCommands(processes, 'tc-1', copy, site.history);
    const both = [tc1, twin];

    await tc1.start();
    await waitUntilOn(tc1, site.primary);
    await twin.start();
    await tc1.waitForStatus('to hear of the other', ({ servers }) =>
      servers.some(({ lastError }) => lastError === 'replaced'),
    );
    for (const agent of both) await expectLogin(agent, BOB, /^granted online by/);

    // With one server left they take turns.
    await site.secondary.kill();
    const before = site.wires?.primary.connections() ?? 0;
    for (const user of [ALICE, BOB, ALICE]) {
      for (const agent of both) await expectLogin(agent, user, 'granted online by primary');
    }
    const made = (site.wires?.primary.connections() ?? 0) - before;

    assert.ok(made < FEW_CONNECTIONS, `${made} connections`);
    for (const agent of both) await agent.waitForStatus('to have its turn', ({ mode }) => mode === 'online');

    await site.secondary.start();
    await Promise.all(
      both.map(agent => agent.waitForStatus('to have told all', ({ pendingEvents }) => pendingEvents === 0)),
    );
    await twin.stop();
    await waitUntilOn(tc1, site.primary);
    await site.settle();
    const told = (await site.primary.events()).filter(({ type }) => type === 'device.cloned');
    const { keyHash } = deviceCredential(tc1);
    assert.ok(told.length > 0);
    for (const { data } of told) assert.deepEqual(data, { device: 'tc-1', keyHash });
    assert.equal(new Set(told.map(({ origin }) => origin)).size, told.length, 'once an hour by each server');
  },
);

/** How much the database of a server holds, and of which site and version. */
function rowsIn({ data }: Server): unknown {
  const database = new Database(join(data, 'site.db'), { readonly: true });
  try {
    const counts = ['events', 'event_quarantine', 'commits', 'objects', 'history'].map(
      table => `(SELECT count(*) FROM ${table})`,
    );
    return database.prepare(`SELECT *, ${counts.join(', ')} FROM site`).get();
  } finally {
    database.close();
  }
}

/** A Primary of another site, at the address of ours. It runs. */
async function foundElsewhere(site: Site, processes: Processes): Promise<Server> {
  const { url } = site.primary;
  const elsewhere = createServerCommands(processes, 'elsewhere', join(site.folder, 'elsewhere'), url);
  const place = ['--listen', new URL(url).host, '--url', url];
  const args = ['init', '--data', elsewhere.data, '--name', 'primary', ...place, '--admin-password-stdin'];
  const { code, stderr } = await processes.run('thinman-server', args, { input: ADMIN_PASSWORD });
  assert.equal(code, 0, stderr);
  await elsewhere.start();
  return elsewhere;
}

async function token(server: Server, what: 'device' | 'server'): Promise<string> {
  const about = what === 'device' ? [] : ['--name', 'third', '--url', 'https://127.0.0.1:1'];
  return (await server.administer(['token', what, ...about])).trim();
}

function contentOf(text: string): TokenContent {
  const decoded = decodeToken(text);
  assert.ok(decoded.ok);
  return decoded.content;
}

let attempts = 0;

function enroll(site: Site, processes: Processes, text: string): Promise<Finished> {
  return createAgentCommands(processes, 'tc-new', join(site.folder, `tc-new-${++attempts}`), noHistory()).enroll(text);
}

function joinBy(text: string, { folder, primary }: Site, processes: Processes): Promise<Finished> {
  const place = ['--listen', '127.0.0.1:1', '--url', 'https://127.0.0.1:1'];
  const database = ['--database', `sqlite:${join(primary.data, 'site.db')}`, '--single-host'];
  const args = ['join', text, '--data', join(folder, 'third'), '--name', 'third', ...place, ...database];
  return processes.run('thinman-server', args);
}

function refused({ code, stdout, stderr }: Pick<Finished, 'code' | 'stdout' | 'stderr'>, exit: number, words: RegExp) {
  assert.match(stderr, words);
  assert.equal(code, exit, stderr);
  assert.equal(stderr.trimEnd().split('\n').length, 1, 'one line');
  assert.equal(stdout, '');
}

function ask(url: URL, tls: { readonly key: string; readonly cert: string }): Promise<{ readonly code: string }> {
  return new Promise((resolve, reject) => {
    const headers = { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) };
    request(url, { ...tls, headers, rejectUnauthorized: false, agent: false }, response => {
      json(response).then(body => resolve(body as { code: string }), reject);
    })
      .on('error', reject)
      .end();
  });
}

function copyFolder(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: file => !file.endsWith('.sock') });
}

const noHistory = (): Parameters<typeof createAgentCommands>[3] => ({ logins: [], versions: [] });
