import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '@thinman/protocol';
import { type AdminSite, createAdminSite, OWNER } from '../../../../test/support/admin-site.ts';
import { ADMIN_SESSION_MS } from './admin-sessions.ts';

const withSite = async (work: (site: AdminSite) => Promise<void>) => {
  const site = await createAdminSite();
  try {
    await work(site);
  } finally {
    await site.close();
  }
};
const viewer = { kind: 'Administrator', name: 'vera', body: { role: 'viewer', password: 'only-looking-here' } };
const vera = { user: 'vera', password: 'only-looking-here' };
const reads = [
  '/objects/User',
  '/objects/Device/tc-1',
  '/history/Device/tc-1',
  '/events',
  '/status',
  '/effective?device=tc-1',
];
const network = (token?: string) => ({ way: 'network' as const, ...(token === undefined ? {} : { token }) });

test('on the network nothing but login is open without a session', () =>
  withSite(async site => {
    const asked = [
      ...(await Promise.all(reads.map(path => site.ask('GET', path, network())))),
      await site.ask('POST', '/apply', { ...network(), body: { objects: [] } }),
      await site.ask('PUT', '/objects/User/a', { ...network('no-such-token'), body: { body: {} } }),
      await site.ask('DELETE', '/objects/Device/tc-1', network()),
      await site.ask('POST', '/tokens', { ...network(), body: { for: 'device' } }),
      await site.ask('POST', '/drain', network()),
    ];
    for (const { status, body } of asked) {
      assert.equal(status, 401);
      assert.equal((body as Problem).code, 'unauthorized');
      assert.match((body as Problem).detail ?? '', /thinman login/);
    }
    assert.equal(site.drained(), 0);
  }));

test('an owner may do everything, a viewer reads', () =>
  withSite(async site => {
    await site.apply([viewer]);
    const [owner, reader] = [await site.login(), await site.login(vera)];
    for (const path of reads) {
      for (const token of [owner, reader])
        assert.equal((await site.ask('GET', path, network(token))).status, 200, path);
    }
    const write = { body: { objects: [{ kind: 'User', name: 'alice', body: {} }] } };
    assert.equal((await site.ask('POST', '/apply', { ...network(owner), ...write })).status, 200);
    for (const { status, body } of [
      await site.ask('POST', '/apply', { ...network(reader), ...write }),
      await site.ask('DELETE', '/objects/User/alice', network(reader)),
      await site.ask('POST', '/tokens', { ...network(reader), body: { for: 'device' } }),
      await site.ask('POST', '/drain', network(reader)),
    ]) {
      assert.equal(status, 403);
      assert.equal((body as Problem).code, 'forbidden');
    }
    assert.equal(
      site.events.at(-1)?.data.actor ?? site.events.find(({ type }) => type === 'admin.commit')?.data.actor,
      'admin',
    );
  }));

test('the local socket is an owner, by the name local', () =>
  withSite(async site => {
    await site.apply([{ kind: 'User', name: 'alice', body: {} }]);
    assert.equal(site.events.at(-1)?.data.actor, 'local');
    assert.equal((await site.ask('POST', '/drain')).status, 200);
    assert.equal(site.drained(), 1);
    assert.equal((await site.ask('POST', '/login', { body: OWNER })).status, 404, 'nobody logs in there');
  }));

test('a wrong password, an unknown name and a name without a password get one answer, at one cost', () =>
  withSite(async site => {
    await site.apply([{ kind: 'Administrator', name: 'nopw', body: { role: 'owner' } }]);
    await site.ask('POST', '/login', { ...network(), body: { user: 'nobody', password: 'warms up the decoy' } });
    const answers = [];
    for (const user of ['admin', 'nobody', 'nopw']) {
      const before = site.hasher.hashes();
      const { status, body } = await site.ask('POST', '/login', {
        ...network(),
        body: { user, password: 'wrong-password' },
      });
      answers.push({ status, body, hashes: site.hasher.hashes() - before });
    }
    assert.deepEqual(new Set(answers.map(answer => JSON.stringify(answer))).size, 1, JSON.stringify(answers));
    assert.equal(answers[0]?.status, 401);
  }));

test('that an account is disabled is told after the right password only', () =>
  withSite(async site => {
    await site.apply([{ ...viewer, body: { ...viewer.body, disabled: true } }]);
    const wrong = await site.ask('POST', '/login', { ...network(), body: { ...vera, password: 'wrong-password' } });
    assert.equal((wrong.body as Problem).code, 'credentials_invalid');
    const right = await site.ask('POST', '/login', { ...network(), body: vera });
    assert.equal((right.body as Problem).code, 'account_disabled');
  }));

test('logins are told as events, passwords are not', () =>
  withSite(async site => {
    await site.ask('POST', '/login', { ...network(), body: { ...OWNER, password: 'a-canary-password' } });
    await site.login();
    const told = site.events
      .filter(({ type }) => type === 'admin.login')
      .map(({ data }) => [data.administrator, data.verdict]);
    assert.deepEqual(told, [
      ['admin', 'denied'],
      ['admin', 'granted'],
    ]);
    assert.doesNotMatch(JSON.stringify(site.events), /canary|administrators-password/);
  }));

test('a session ends by logout, by age, and with the account, its role, its password', () =>
  withSite(async site => {
    const works = async (token: string) => (await site.ask('GET', '/status', network(token))).status === 200;
    const out = await site.login();
    assert.ok(await works(out));
    await site.ask('POST', '/logout', network(out));
    assert.equal(await works(out), false);

    const old = await site.login();
    site.clock.setNow(site.clock.nowMs() + ADMIN_SESSION_MS - 1);
    assert.ok(await works(old));
    site.clock.setNow(site.clock.nowMs() + 1);
    assert.equal(await works(old), false);

    for (const change of [{ disabled: true }, { password: 'another-password' }]) {
      await site.apply([viewer]);
      const token = await site.login(vera);
      assert.ok(await works(token));
      await site.apply([{ ...viewer, body: { ...viewer.body, ...change } }]);
      assert.equal(await works(token), false, JSON.stringify(change));
    }
    await site.apply([viewer]);
    const token = await site.login(vera);
    await site.ask('DELETE', '/objects/Administrator/vera');
    await site.apply([viewer]);
    assert.equal(await works(token), false, 'a new account of the same name is another one');
  }));

test('an owner who becomes a viewer is one from the next request on', () =>
  withSite(async site => {
    await site.apply([{ ...viewer, body: { ...viewer.body, role: 'owner' } }]);
    const token = await site.login(vera);
    await site.apply([viewer]);
    const { status } = await site.ask('DELETE', '/objects/Device/tc-1', network(token));
    assert.equal(status, 403);
  }));

test('guessing is slowed down, and the wait is told; waiting it out helps', () =>
  withSite(async site => {
    const guess = () => site.ask('POST', '/login', { ...network(), body: { ...OWNER, password: 'wrong-password' } });
    let answer = await guess();
    for (let n = 1; answer.status === 401 && n < 50; n++) answer = await guess();
    assert.equal(answer.status, 429);
    const { retryAfterMs = 0 } = answer.body as Problem;
    assert.ok(retryAfterMs > 0);
    assert.ok(Number(answer.headers['retry-after']) > 0);

    const hashes = site.hasher.hashes();
    assert.equal(
      (await site.ask('POST', '/login', { ...network(), body: OWNER })).status,
      429,
      'the right one must wait too',
    );
    assert.equal(site.hasher.hashes(), hashes, 'nothing is hashed meanwhile');
    await site.clock.advance(retryAfterMs);
    await site.login();
    assert.equal((await guess()).status, 401, 'after a success the count begins anew');
  }));

test('a hundred right logins in a row are no attack', () =>
  withSite(async site => {
    for (let n = 0; n < 100; n++) await site.login();
  }));
