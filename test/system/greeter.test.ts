import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { openBrowser } from '../support/browser.ts';
import { freePort } from '../support/loopback.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE } from '../support/ward.ts';

const WRONG = 'not-her-password';
/** What an administrator tells whoever comes; it is text, whatever stands in it. */
const NOTICE = `
kind: Policy
name: notice
body: { scope: device, settings: { session: { loginMessage: "Ward 3\\nCall 4711 & ask for <Anna>." } } }
---
kind: Assignment
name: notice
body: { policy: notice, to: { device: tc-1 } }
`;
/** A screen of a thin client, and one of a tablet on a trolley. */
const SCREEN = { width: 1280, height: 800 };
const NARROW = { width: 400, height: 800 };

systemTest('the greeter page in a browser, while servers come and go', {}, async (site, processes) => {
  const tc1 = site.agent('tc-1');
  const port = await freePort();
  writeFileSync(join(tc1.data, 'local.json'), JSON.stringify({ greeter: { port } }));
  await tc1.stop();
  await tc1.start();
  await waitUntilOn(tc1, site.primary);
  const { stdout } = await processes.run('thinman-agent', ['greeter', '--data', tc1.data]);
  const url = stdout.trim();
  assert.equal(new URL(url).host, `127.0.0.1:${port}`);

  await using opened = await openBrowser('greeter');
  const { browser, photograph } = opened;
  const context = await browser.newContext({ locale: 'en-GB', viewport: SCREEN });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', error => complaints.push(String(error)));
  await page.goto(url);
  assert.equal(page.url(), `http://127.0.0.1:${port}/`, 'the token is not left in the address');

  const reads = (id: string, text: RegExp) =>
    waitFor(`the page to say ${text} in #${id}`, async () => {
      const said = (await page.locator(`#${id}`).textContent()) ?? '';
      return text.test(said) ? said : undefined;
    });
  /** By keyboard alone. One login that the invariants are told of. */
  const typeIn = async (password: string, verdict: string) => {
    await page.locator('#user').fill('');
    await page.locator('#user').focus();
    await page.keyboard.type(ALICE.name);
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    site.history.logins.push({
      device: tc1.name,
      user: ALICE.name,
      answer: undefined,
      code: null,
      stderr: verdict,
      elapsedMs: 0,
    });
  };
  const isSignedIn = () => page.locator('#session').waitFor({ state: 'visible' });
  const signOut = async () => {
    await page.locator('#sign-out').press('Enter');
    await page.locator('#login').waitFor({ state: 'visible' });
  };

  // The person who comes finds the cursor where a name is typed.
  await reads('state-text', /^Online$/);
  await site.apply(NOTICE);
  await reads('notice', /^Ward 3\nCall 4711 & ask for <Anna>\.$/);
  await waitFor('the name to have the focus', async () => (await focused(page)) === 'user' || undefined);
  await photograph(page, '1-online');
  await page.keyboard.press('Enter');
  await reads('message', /^Type your user name\.$/);

  await typeIn(WRONG, 'denied');
  await reads('message', /^The user name or the password is wrong\.$/);
  assert.equal(await page.locator('#password').inputValue(), '');
  await photograph(page, '2-wrong-password');
  for (const [language, words] of [
    ['it', /non è corretto/],
    ['de', /ist falsch/],
    ['en', /is wrong/],
  ] as const) {
    await page.locator('#language').selectOption(language);
    await reads('message', words);
    assert.equal(await page.locator('html').getAttribute('lang'), language);
    await photograph(page, `2-wrong-password-${language}`);
  }

  await typeIn(ALICE.password, 'granted');
  await isSignedIn();
  await reads('welcome', /alice/);
  assert.equal(await page.locator('#notice').isVisible(), false);
  await waitFor('three tiles', async () => (await page.locator('#tiles button').count()) === 3 || undefined);
  assert.deepEqual(await page.locator('#tiles button span:first-child').allTextContents(), ['desktop', 'ward', 'wiki']);
  assert.doesNotMatch(await page.content(), /canary/, 'a page shows neither hosts nor addresses');
  await photograph(page, '3-connections');
  await page.setViewportSize(NARROW);
  await photograph(page, '3-connections-narrow');
  await page.setViewportSize(SCREEN);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.closest("#tiles") !== null'), true);
  await page.keyboard.press('Enter');
  await reads('message', /desktop/);

  // Loaded again, the page knows who is there. After that the Primary dies under the open page.
  await page.reload();
  await isSignedIn();
  await signOut();
  await tc1.waitForStatus('nobody to be signed in', ({ session }) => session === null);
  await site.primary.kill();
  await reads('state-text', /^Online, on the Secondary \(secondary\)$/);
  await photograph(page, '4-on-the-secondary');
  await typeIn(ALICE.password, 'granted');
  await isSignedIn();
  await signOut();

  await site.secondary.kill();
  await reads('state-text', /^Offline since \d\d:\d\d$/);
  await photograph(page, '5-offline');
  await typeIn(WRONG, 'denied');
  await reads('message', /wrong/);
  await typeIn(ALICE.password, 'granted');
  await isSignedIn();
  await reads('message', /you work offline/);
  await waitFor('the tiles of offline', async () => (await page.locator('#tiles button').count()) === 3 || undefined);
  await photograph(page, '6-signed-in-offline');

  // The agent goes and comes back: the page waits for it, and goes on with the token that it has.
  await tc1.stop();
  await reads('state-text', /not ready/);
  await site.primary.start();
  await site.secondary.start();
  await tc1.start();
  await waitUntilOn(tc1, site.primary);
  await reads('state-text', /^Online$/);

  // Her session is there, locked: nothing of it is shown, and the cursor is where her password is typed.
  const unlockWith = async (password: string, verdict: string) => {
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    site.history.logins.push({
      ...{ device: tc1.name, user: ALICE.name, answer: undefined, code: null, stderr: verdict, elapsedMs: 0 },
    });
  };
  const isLocked = async () => {
    await page.locator('#locked').waitFor({ state: 'visible' });
    assert.equal(await page.locator('#tiles button').count(), 0, 'no tile is left in the page');
    assert.equal(await page.locator('#session').isHidden(), true);
    await waitFor('the focus', async () => (await focused(page)) === 'lock-password' || undefined);
  };
  await isLocked();
  await reads('locked-title', /^Locked: alice$/);
  await photograph(page, '7-locked');
  await unlockWith(WRONG, 'denied');
  await reads('message', /wrong/);
  await isLocked();
  await unlockWith(ALICE.password, 'granted');
  await isSignedIn();
  await waitFor('her tiles', async () => (await page.locator('#tiles button').count()) === 3 || undefined);
  await page.locator('#lock').press('Enter');
  await isLocked();
  await page.reload();
  await isLocked();
  await page.setViewportSize(NARROW);
  await photograph(page, '7-locked-narrow');
  await page.setViewportSize(SCREEN);
  // Somebody else who comes may log in, and who changes their mind finds it locked.
  await page.locator('#locked-other').press('Enter');
  await reads('elsewhere', /alice is signed in on this device/);
  await waitFor('the name to have the focus', async () => (await focused(page)) === 'user' || undefined);
  await page.keyboard.press('Escape');
  await isLocked();
  await unlockWith(ALICE.password, 'granted');
  await isSignedIn();
  await signOut();

  assert.deepEqual(
    complaints.filter(complaint => !/Failed to load resource|ERR_CONNECTION_REFUSED/.test(complaint)),
    [],
  );

  await attack(context.newPage(), url);
});

/** Another page of the same browser tries to use the greeter's. */
async function attack(opening: Promise<Page>, url: string): Promise<void> {
  const [page, port] = [await opening, new URL(url).port];
  const token = url.split('#')[1];
  const evil = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><iframe src="${url}"></iframe>`);
  });
  const evilPort = await freePort();
  await new Promise<void>(resolve => evil.listen(evilPort, '127.0.0.1', resolve));
  try {
    const refusals: string[] = [];
    page.on('requestfailed', request => refusals.push(request.url()));
    page.on('response', response => {
      if (response.url().includes(`:${port}/`)) refusals.push(`${response.status()}`);
    });
    await page.goto(`http://127.0.0.1:${evilPort}/`);
    await waitFor('the frame to be refused', async () => refusals.length > 0 || undefined);
    const frame = page.frames().find(one => one !== page.mainFrame());
    assert.equal(await frame?.locator('#user').count(), 0, 'the page shows in no frame');

    // Even with the token: its header needs a preflight, which is refused.
    const outcomes = await page.evaluate(
      async ([address, known]) => {
        const attempt = (path: string, init: RequestInit) =>
          fetch(`${address}${path}`, init).then(
            response => response.type,
            () => 'refused',
          );
        const body = '{"user":"alice","password":"a-guess"}';
        return [
          await attempt('/v1/login', {
            method: 'POST',
            body,
            headers: { 'content-type': 'application/json', 'x-thinman-token': String(known) },
          }),
          await attempt('/v1/events', { headers: { 'x-thinman-token': String(known) } }),
          await attempt('/words.json', {}),
        ];
      },
      [`http://127.0.0.1:${port}`, token],
    );
    assert.deepEqual(outcomes, ['refused', 'refused', 'refused']);
  } finally {
    evil.closeAllConnections();
    await new Promise(resolve => evil.close(resolve));
  }
}

const focused = (page: Page) => page.evaluate('document.activeElement.id');
