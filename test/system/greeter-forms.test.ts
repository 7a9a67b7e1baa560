import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { EmergencyCodeAnswer, SessionView } from '@thinman/protocol';
import type { Page } from 'playwright-core';
import type { Agent } from '../support/agent-commands.ts';
import { openBrowser } from '../support/browser.ts';
import { asPromised } from '../support/contract.ts';
import { expireCachedLogins, helpdesk } from '../support/emergency.ts';
import { expectLogin } from '../support/logins.ts';
import { freePort } from '../support/loopback.ts';
import { openScreen } from '../support/screens.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, GROUP } from '../support/ward.ts';

const NEW = 'alices-second-password';
const THIRD = 'alices-third-password';
const FOURTH = 'alices-fourth-password';
const SCREENS = { wide: { width: 1280, height: 800 }, small: { width: 800, height: 600 } } as const;
const KIOSK = { name: 'lobby', password: 'the-password-of-the-lobby' } as const;
const AUTOLOGIN = `
kind: User
name: ${KIOSK.name}
body: { groups: [nurses], password: ${KIOSK.password} }
---
kind: Policy
name: lobby
body: { scope: device, settings: { session: { autologin: { user: ${KIOSK.name}, password: ${KIOSK.password} } } } }
---
kind: Assignment
name: lobby
body: { policy: lobby, to: { device: tc-1 } }
`;
const LONG = 'Radiologie und Notaufnahme, Befundung mit Diktat (Sozialstation Süd)';

systemTest(
  'the greeter page: a new password, a code by telephone, and connections that start',
  { wires: true, agents: [] },
  async (site, processes) => {
    await using screen = await openScreen('screen', join(site.folder, 'logs'));
    const runtime = mkdtempSync('/dev/shm/thinman-greeter-');
    await using _runtime = { [Symbol.asyncDispose]: async () => rmSync(runtime, { recursive: true, force: true }) };
    const port = await freePort();
    const startOptions = ['--greeter', String(port), '--display', screen.display, '--runtime', runtime];
    const tc1 = await site.addAgent('tc-1', GROUP, {}, { startOptions });
    await tc1.start();
    await waitUntilOn(tc1, site.primary);
    const { stdout } = await processes.run('thinman-agent', ['greeter', '--data', tc1.data]);

    await using opened = await openBrowser('greeter-forms');
    const context = await opened.browser.newContext({ locale: 'en-GB', viewport: SCREENS.wide });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', error => complaints.push(String(error)));
    await page.goto(stdout.trim());
    const hand = handOf(page, site, tc1);
    /** On both screens; nothing may be cut off at the side. */
    const photograph = async (name: string) => {
      for (const [size, viewport] of Object.entries(SCREENS)) {
        await page.setViewportSize(viewport);
        await opened.photograph(page, `${name}-${size}`);
        assert.equal(
          await page.evaluate('document.documentElement.scrollWidth <= innerWidth'),
          true,
          `${name} ${size}`,
        );
      }
      await page.setViewportSize(SCREENS.wide);
    };

    // An expired password: the form opens by itself, with the cursor where the new one is typed.
    await site.apply(
      `kind: User\nname: ${ALICE.name}\nbody: { groups: [nurses], passwordExpiresAt: "2026-01-01T00:00:00Z" }`,
    );
    await hand.reads('state-text', /^Online$/);
    await hand.logIn(ALICE.password);
    await hand.shows('change');
    await hand.focusIsOn('new-password');
    await photograph('1-expired');
    await hand.typeNew('short', 'short');
    await hand.reads('message', /at least 8 characters/);
    await hand.typeNew(ALICE.password, ALICE.password);
    await hand.reads('message', /is the old one/);
    await hand.typeNew(NEW, `${NEW}-mistyped`);
    await hand.reads('message', /differ/);
    await hand.focusIsOn('new-again');
    await photograph('2-differ');
    await hand.typeNew(NEW, NEW);
    await hand.shows('session');
    await hand.reads('message', /has been changed/);

    // By choice, from among the tiles; Escape goes back.
    await page.locator('#change-open').press('Enter');
    await hand.shows('change');
    await hand.focusIsOn('old-password');
    await photograph('3-by-choice');
    await page.keyboard.press('Escape');
    await hand.shows('session');
    await page.locator('#change-open').press('Enter');
    await page.locator('#old-password').fill('not-her-password');
    await hand.typeNew(THIRD, THIRD);
    await hand.reads('message', /is wrong/);
    await hand.focusIsOn('old-password');
    await page.locator('#old-password').fill(NEW);
    await hand.typeNew(THIRD, THIRD);
    await hand.shows('session');
    await hand.reads('message', /has been changed/);
    hand.countLogin();
    assert.equal((await tc1.status()).session?.user, ALICE.name);

    // It expires behind a locked screen: whose it is gets at the form from there.
    await site.apply(
      `kind: User\nname: ${ALICE.name}\nbody: { groups: [nurses], passwordExpiresAt: "2026-01-02T00:00:00Z" }`,
    );
    await page.locator('#lock').press('Enter');
    await hand.shows('locked');
    for (let logins = 0; logins < 3; logins++) hand.countLogin();
    await page.locator('#lock-password').fill(THIRD);
    await page.keyboard.press('Enter');
    await hand.shows('change');
    await hand.focusIsOn('new-password');
    await hand.typeNew(FOURTH, FOURTH);
    await hand.shows('session');
    await hand.reads('message', /has been changed/);

    // A tile starts what `thinman-agent connect` starts: the client comes to the host of the connection.
    const host = createServer(socket => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await using _host = { [Symbol.asyncDispose]: async () => void host.close() };
    host.unref();
    await once(host, 'listening');
    const address = host.address();
    assert.ok(typeof address === 'object' && address !== null);
    const tiles = [
      { name: 'ward', title: 'Ward', type: 'ssh', host: '127.0.0.1', port: address.port },
      { name: 'long', title: LONG, type: 'web', url: 'https://canary.example' },
      { name: 'Verbindungsprogrammverwaltungsserver-2', type: 'rdp', host: 'rds.example' },
    ];
    await site.apply(JSON.stringify({ kind: 'Profile', name: 'nurses', body: { connections: tiles } }));
    const first = page.locator('#tiles button').first();
    await waitFor(
      'the tiles of the new profile',
      async () => (await page.locator('#tiles button span:first-child').allTextContents()).includes(LONG) || undefined,
    );
    await photograph('4-tiles');
    const ward = page.locator('#tiles button', { hasText: 'Ward' }).first();
    assert.ok((await first.count()) === 1);
    let times = 0;
    const tileSays = (words: RegExp) =>
      waitFor(`the tile to say ${words}`, async () => words.test((await ward.textContent()) ?? '') || undefined);
    for (const open of [
      () => ward.press('Enter'),
      () => processes.run('thinman-agent', ['connect', 'ward', '--data', tc1.data]),
    ]) {
      const came = once(host, 'connection', { signal: AbortSignal.timeout(20_000) });
      await open();
      const [socket] = await came;
      const { stdout: told } = await processes.run('thinman-agent', ['session', '--data', tc1.data, '--json']);
      const connection = asPromised(SessionView, told).connections.find(({ name }) => name === 'ward');
      assert.equal(connection?.state, 'open');
      // The tile says so, live, and keeps the focus of whoever pressed it.
      await tileSays(/Open$/);
      assert.equal(await page.evaluate('document.activeElement.closest("#tiles") !== null'), true);
      if (times > 0) await hand.reads('tile-news', /^Ward: Open$/);
      else await photograph('4-tile-open');
      times += 1;
      await processes.run('thinman-agent', ['disconnect', 'ward', '--data', tc1.data]);
      await once(socket.resume(), 'close');
      await tileSays(/ssh$/i);
    }
    await hand.reads('message', /Ward has been started/);

    // Away for longer than is allowed: a call to the helpdesk.
    await expireCachedLogins(site);
    await expectLogin(tc1, { ...ALICE, password: FOURTH }, 'granted online by primary');
    await page.locator('#lock').press('Enter');
    await hand.shows('locked');
    await site.apart(async () => {
      await hand.reads('state-text', /^Offline since/);
      // Behind a locked screen too: the code is asked for where names are typed, and Back leads to the lock again.
      hand.countLogin();
      await page.locator('#lock-password').fill(FOURTH);
      await page.keyboard.press('Enter');
      await hand.reads('message', /too long ago/);
      await hand.shows('login');
      assert.equal(await page.locator('#user').inputValue(), ALICE.name);
      await photograph('5-locked-too-old');
      await page.locator('#ask-code').press('Enter');
      await hand.shows('emergency');
      await hand.reads('code-user', new RegExp(`^${ALICE.name}$`));
      await page.keyboard.press('Escape');
      await hand.shows('login');
      await page.locator('#back').press('Enter');
      await hand.shows('locked');
      assert.equal((await tc1.status()).session?.locked, true);
      assert.equal((await tc1.logout()).code, 0);
      await hand.shows('login');
      await hand.logIn(FOURTH);
      await hand.reads('message', /too long ago/);
      await photograph('5-too-old');
      await page.locator('#ask-code').press('Enter');
      await hand.shows('emergency');
      await hand.focusIsOn('code');
      await hand.reads('code-left', /^Good for 15 min and 5 tries\.$/);
      await photograph('6-challenge');
      await hand.typeCode('000');
      await hand.reads('message', /No try was lost/);
      await hand.typeCode('00000-00000');
      await hand.reads('message', /code is wrong/);
      await hand.reads('code-left', /4 tries/);
      await photograph('7-wrong-code');
      const challenge = ((await page.locator('#code-challenge').textContent()) ?? '').replace(' ', '');
      const asked = { device: 'tc-1', user: ALICE.name, challenge };
      const told = await helpdesk(processes, site.secondary, asked);
      await hand.typeCode(asPromised(EmergencyCodeAnswer, told.stdout).code);
      await hand.reads('message', /for 8 h\. Now type your password/);
      await hand.shows('login');
      await hand.focusIsOn('password');
      await photograph('8-accepted');
      hand.countLogin();
      await page.keyboard.type(FOURTH);
      await page.keyboard.press('Enter');
      await hand.shows('session');
      await hand.reads('message', /you work offline/);
    });
    await waitUntilOn(tc1, site.primary);
    await hand.reads('state-text', /^Online$/);
    await hand.reads('message', /^$/);
    await page.emulateMedia({ colorScheme: 'dark' });
    await photograph('9-dark');
    for (const language of ['de', 'it']) {
      await page.locator('#language').selectOption(language);
      await page.locator('#change-open').press('Enter');
      await photograph(`10-change-${language}`);
      await page.keyboard.press('Escape');
    }
    // A kiosk: the page opens on its tiles, and offers nothing that is not for whoever walks past.
    for (let logins = 0; logins < 4; logins++) hand.countLogin(KIOSK.name);
    await site.apply(AUTOLOGIN);
    await page.locator('#language').selectOption('en');
    await waitFor('the policy', async () => (await tc1.status()).autologin?.user === KIOSK.name || undefined);
    await page.locator('#sign-out').press('Enter');
    await hand.shows('session');
    await hand.reads('welcome', /^Signed in: lobby$/);
    assert.equal((await tc1.status()).session?.autologin, true);
    assert.ok((await page.locator('#tiles button').count()) > 0);
    for (const id of ['lock', 'change-open', 'sign-out']) assert.equal(await page.locator(`#${id}`).isVisible(), false);
    await photograph('11-kiosk');
    await page.locator('#other').press('Enter');
    await hand.shows('login');
    await hand.focusIsOn('user');
    await page.locator('#user').fill(KIOSK.name);
    await page.locator('#password').fill('a-guess');
    await page.keyboard.press('Enter');
    await hand.reads('message', /signs that account in by itself/);
    await photograph('12-kiosk-other');
    await page.keyboard.press('Escape');
    await hand.shows('session');
    assert.equal(await (await page.reload())?.ok(), true);
    await hand.reads('welcome', /^Signed in: lobby$/);
    assert.deepEqual(
      complaints.filter(complaint => !/Failed to load resource/.test(complaint)),
      [],
    );
  },
);

/** Somebody with a keyboard and nothing else. */
function handOf(page: Page, site: Site, agent: Agent) {
  const countLogin = (user: string = ALICE.name) =>
    site.history.logins.push({
      device: agent.name,
      user,
      answer: undefined,
      code: null,
      stderr: '',
      elapsedMs: 0,
    });
  return {
    /** The invariants are told that a login may have been. */
    countLogin,
    logIn: async (password: string) => {
      countLogin();
      countLogin();
      await page.locator('#user').fill(ALICE.name);
      await page.locator('#user').press('Tab');
      await page.keyboard.type(password);
      await page.keyboard.press('Enter');
    },
    typeNew: async (one: string, two: string) => {
      await page.locator('#new-password').fill(one);
      await page.locator('#new-again').fill(two);
      countLogin();
      await page.keyboard.press('Enter');
    },
    typeCode: async (code: string) => {
      await page.locator('#code').fill(code);
      await page.keyboard.press('Enter');
    },
    shows: (form: string) => page.locator(`#${form}`).waitFor({ state: 'visible' }),
    focusIsOn: (id: string) =>
      waitFor(
        `the focus on #${id}`,
        async () => (await page.evaluate('document.activeElement.id')) === id || undefined,
      ),
    reads: (id: string, text: RegExp) =>
      waitFor(`the page to say ${text} in #${id}`, async () => {
        const said = (await page.locator(`#${id}`).textContent()) ?? '';
        return text.test(said) ? said : undefined;
      }),
  };
}
