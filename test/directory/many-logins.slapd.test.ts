import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createDeviceSite, type TestDevice } from '../support/device-site.ts';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD, USER_PASSWORD } from '../support/directories/hospital.ts';
import { openDirectories } from '../support/directories/open-directories.ts';
import { startSlapd } from '../support/directories/slapd.ts';

const USERS = 10_000;
const LOGINS = 500;
/** A round is two small requests, a login a look-up, a bind and more look-ups. */
const MIN_ROUNDS = 10;
/** More would be load of their own. */
const MAX_ROUNDS = 20;
/** A login that is sent away comes back; on a loaded machine often. */
const ATTEMPTS = 100;
const STARVED_MS = 500;

test('500 logins at once over HTTPS, of 10,000 users: none is wrong, and who is sent away gets in later', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-many-'));
  try {
    await using slapd = await startSlapd(folder, { users: USERS });
    using directories = openDirectories({
      lab: {
        ...{ type: 'ldap', urls: [slapd.ldapsUrl], ca: slapd.ca, baseDn: BASE_DN, suffix: 'lab.test' },
        ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
      },
    });
    const site = await createDeviceSite({ directories });
    try {
      const quiet = await site.addDevice('signed-in');
      const signIn = () =>
        site.primary.call(quiet, 'POST', '/v1/login', {
          body: { method: 'password', loginId: randomUUID(), user: 'alice@lab.test', password: USER_PASSWORD },
        });
      let session = await signIn();
      for (let attempt = 1; session.status === 503 && attempt < ATTEMPTS; attempt += 1) {
        await delay(STARVED_MS);
        session = await signIn();
      }
      assert.equal(session.status, 200);
      const seen = new Map<string, number>();
      let left = LOGINS;

      const devices: TestDevice[] = [];
      for (let at = 0; at < LOGINS; at += 1) {
        const device = await site.addDevice(`tc-${at}`);
        // As an agent keeps one open: no handshake stands before a login.
        await site.primary.call(device, 'GET', '/v1/device/bundle');
        devices.push(device);
      }

      const login = async (device: TestDevice, at: number) => {
        const user = `u${at * 20}@lab.test`;
        const password = at % 10 === 9 ? 'wrong-password' : USER_PASSWORD;
        for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
          const loginId = randomUUID();
          const body = { method: 'password', loginId, user, password };
          const answer = await site.primary.call(device, 'POST', '/v1/login', { body });
          const code = answer.status === 200 ? 'granted' : answer.body.code;
          seen.set(code, (seen.get(code) ?? 0) + 1);
          // A directory that the machine gives no turn: nothing was asked of it, as the count of binds shows.
          if (code === 'directory_unavailable') {
            await delay(STARVED_MS);
            continue;
          }
          if (code !== 'overloaded') {
            assert.equal(code, password === USER_PASSWORD ? 'granted' : 'credentials_invalid', user);
            break;
          }
          assert.equal(answer.status, 503);
          assert.ok(answer.body.retryAfterMs >= 500);
          await delay(answer.body.retryAfterMs);
        }
        left -= 1;
      };
      let isOver = false;
      const all = Promise.all(devices.map(login)).finally(() => {
        isOver = true;
      });
      // It is awaited below.
      all.catch(() => {});
      // Whoever is signed in, and whoever asks how the server is, is served between the logins, from the first to the last.
      const { token } = session.body.session;
      const askedWith: number[] = [];
      while (!isOver && askedWith.length < MAX_ROUNDS) {
        const answers = await Promise.all([
          site.primary.call(quiet, 'GET', '/v1/user/bundle', { token }),
          site.primary.call(undefined, 'GET', '/readyz'),
        ]);
        assert.deepEqual(
          answers.map(({ status }) => status),
          [200, 200],
        );
        askedWith.push(left);
      }
      await all;
      // Had they waited behind the logins, no round would have been over before all of those were.
      const between = askedWith.filter(still => still > 0).length;
      assert.ok(between >= MIN_ROUNDS, `${between} rounds were over before the logins were`);
      assert.deepEqual([seen.get('granted'), seen.get('credentials_invalid')], [450, 50]);
      assert.ok((seen.get('overloaded') ?? 0) > 0, 'the bound was met');
      const binds = slapd.binds('uid=u');
      assert.equal(binds, LOGINS, 'each typed password is one bind');
    } finally {
      await site.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
