import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SessionView } from '@thinman/protocol';
import type { Agent } from '../support/agent-commands.ts';
import { asPromised } from '../support/contract.ts';
import { expectLogin } from '../support/logins.ts';
import { freePort } from '../support/loopback.ts';
import { createRdpServer } from '../support/rdp-server.ts';
import { openScreen, type Screen } from '../support/screens.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, GROUP } from '../support/ward.ts';

const DESKTOP = { bg: '#20a040', red: 0x20, green: 0xa0, blue: 0x40 } as const;

const policy = (isAllowed: boolean) =>
  JSON.stringify({
    kind: 'Policy',
    name: 'quiet-screens',
    body: {
      scope: 'device',
      settings: { power: { screenOffAfterMinutes: 9 }, session: { connectionsWithoutLogin: isAllowed } },
    },
  });

systemTests(
  'a device that nobody has signed in to',
  { agents: [] },
  {
    async 'connections of its own profile are used with no user logged in, where policy allows: a real RDP session'(
      site,
    ) {
      await onScreens(site, async (agent, screen) => {
        await seesDesktop(screen, 'with nobody signed in');
        const { user, connections } = await sessionOf(agent);
        assert.deepEqual([user, connections.map(({ name, state }) => [name, state])], [null, [['kiosk', 'open']]]);

        // Who signs in does not find what was open before; afterwards it is there again.
        await expectLogin(agent, ALICE, 'granted online by primary');
        assert.equal((await sessionOf(agent)).user, ALICE.name);
        assert.equal((await agent.logout()).code, 0);
        await seesDesktop(screen, 'after the logout');

        await site.apply(policy(false));
        await waitFor('it to be closed where policy allows it no more', async () =>
          (await share(screen)) === 0 && (await sessionOf(agent)).connections.length === 0 ? true : undefined,
        );
        assert.equal((await agent.command('connect', ['kiosk'])).code, 2, 'nobody can open it by hand either');
        await site.apply(policy(true));
        await seesDesktop(screen, 'when it is allowed again');
      });
    },

    async 'device policy applies at start from the cache, before any server answers: files, hooks and connections'(
      site,
    ) {
      await onScreens(site, async (agent, screen) => {
        await seesDesktop(screen, 'while the servers are there');
        const hooks = join(agent.data, 'apply.d');
        const heard = join(site.folder, 'heard-by-hook');
        mkdirSync(hooks, { recursive: true, mode: 0o700 });
        await agent.stop();
        await site.primary.kill();
        await site.secondary.kill();
        writeFileSync(join(hooks, 'power'), `#!/bin/sh\ncat > ${heard}\n`, { mode: 0o700 });
        const written = join(agent.data, 'applied', 'device-policy.json');
        rmSync(written);
        assert.match(await agent.start(), /^READY mode=offline\b/);
        await waitFor('the policy to be applied', () => (existsSync(written) && existsSync(heard) ? true : undefined));
        assert.equal(JSON.parse(readFileSync(written, 'utf8')).settings['power.screenOffAfterMinutes'], 9);
        await waitFor('the hook to have it', () =>
          readFileSync(heard, 'utf8').includes('"power.screenOffAfterMinutes":9') ? true : undefined,
        );
        await seesDesktop(screen, 'without any server');
        assert.deepEqual([(await agent.status()).server, (await sessionOf(agent)).user], [null, null]);
        await site.primary.start();
        await site.secondary.start();
        await waitUntilOn(agent, site.primary);
      });
    },
  },
);

let agents = 0;

/** A thin client with a screen, on which its device's profile opens a desktop that asks nobody for a password. */
async function onScreens(site: Site, work: (agent: Agent, screen: Screen) => Promise<void>): Promise<void> {
  const { folder } = site;
  const logs = join(folder, 'logs');
  await using desktop = await openScreen('desktop', logs);
  await using screen = await openScreen('screen', logs);
  desktop.show('xlogo', 'xlogo', '-geometry', '800x600+0+0', '-bg', DESKTOP.bg, '-fg', DESKTOP.bg);
  const port = await freePort();
  await using rdp = await createRdpServer({ folder, display: desktop.display, port });
  await rdp.start();
  const runtime = mkdtempSync('/dev/shm/thinman-without-login-');
  const name = `tc-kiosk-${++agents}`;
  const agent = await site.addAgent(
    name,
    GROUP,
    {},
    { startOptions: ['--display', screen.display, '--runtime', runtime] },
  );
  try {
    const connection = {
      ...{ name: 'kiosk', type: 'rdp', host: '127.0.0.1', port, security: 'tls', certificate: 'first-use' },
      ...{ fullscreen: true, autostart: true, reconnect: 'always' },
    };
    const objects = [
      { kind: 'Profile', name: 'kiosk', body: { connections: [connection] } },
      { kind: 'Assignment', name: 'kiosk', body: { profile: 'kiosk', to: { device: name } } },
    ];
    await site.apply(`${objects.map(object => JSON.stringify(object)).join('\n---\n')}\n---\n${policy(true)}`);
    await agent.start();
    await work(agent, screen);
  } finally {
    await agent.stop();
    rmSync(runtime, { recursive: true, force: true });
  }
  // Each device runs again for what is looked at in the end; its screen is gone.
  await site.apply(policy(false));
  await agent.start();
}

async function sessionOf(agent: Agent): Promise<SessionView> {
  return asPromised(SessionView, (await agent.command('session', ['--json'])).stdout);
}

const share = async (screen: Screen) => (await screen.picture()).share(DESKTOP.red, DESKTOP.green, DESKTOP.blue);

async function seesDesktop(screen: Screen, when: string): Promise<void> {
  await waitFor(`the desktop on the screen ${when}`, async () => ((await share(screen)) > 0.5 ? true : undefined));
}
