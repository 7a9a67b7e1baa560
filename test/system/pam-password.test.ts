import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findSecrets } from '../support/canaries.ts';
import { expectLogin } from '../support/logins.ts';
import { pamService } from '../support/pam.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

/** An account of every Debian that nobody logs in with. */
const KIOSK = 'games';
/** Where systemd looks; cleaned afterwards. */
const RECORDS = '/run/userdb';
const NEW = 'alices-second-password';
const REFUSED = 'secret';
const EXPIRED = '2026-01-01T00:00:00Z';

systemTest('an expired password is changed through PAM, in the place where it is typed', {}, async site => {
  const tc1 = site.agent('tc-1');
  const record = join(RECORDS, `${ALICE.name}.user`);
  assert.ok(!existsSync(record), `${record} is there already: remove it`);
  await using pam = await pamService(tc1, KIOSK, RECORDS, site.folder);
  await using _records = { [Symbol.asyncDispose]: async () => rmSync(record, { force: true }) };
  await tc1.stop();
  await tc1.start();
  await waitUntilOn(tc1, site.primary);
  const type = async (password: string) => {
    const { ok, said, elapsedMs } = await pam.ask(ALICE.name, password, 'authenticate', 'acct_mgmt');
    // A step of a change may be a login, or none: the invariants take either.
    const seen = { device: tc1.name, user: ALICE.name, answer: undefined, code: null, stderr: said, elapsedMs };
    site.history.logins.push(seen);
    assert.ok(!said.includes(password), said);
    return ok ? 'yes' : said;
  };

  await site.apply(`kind: User\nname: ${ALICE.name}\nbody: { groups: [nurses], passwordExpiresAt: "${EXPIRED}" }`);
  assert.match(await type('not-her-password'), /is wrong/);
  assert.match(await type(ALICE.password), /has expired\. Type a new one/);
  assert.match(await type(REFUSED), /again/);
  assert.match(await type(REFUSED), /is not accepted/);
  assert.match(await type(NEW), /again/);
  assert.match(await type(ALICE.password), /differ/);
  assert.equal((await tc1.status()).session, null);
  assert.match(await type(NEW), /again/);
  assert.equal(await type(NEW), 'yes');
  assert.equal((await tc1.status()).session?.user, ALICE.name);
  assert.equal(await type(NEW), 'yes');
  assert.match(await type(ALICE.password), /is wrong/);

  // Offline too, from the same moment on. Neither password is written anywhere.
  await site.primary.kill();
  await site.secondary.kill();
  await expectLogin(tc1, { ...ALICE, password: NEW }, 'granted offline');
  await expectLogin(tc1, ALICE, 'denied credentials_invalid offline');
  assert.deepEqual(findSecrets([tc1.data, site.primary.data, site.secondary.data], [NEW, ALICE.password]), []);
  await site.primary.start();
  await site.secondary.start();
  await waitUntilOn(tc1, site.primary);
});
