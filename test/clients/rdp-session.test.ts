import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SessionView } from '@thinman/protocol';
import type { Agent } from '../support/agent-commands.ts';
import { asPromised } from '../support/contract.ts';
import { expectLogin } from '../support/logins.ts';
import { freePort } from '../support/loopback.ts';
import { createRdpServer } from '../support/rdp-server.ts';
import { openScreen, type Screen } from '../support/screens.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, GROUP } from '../support/ward.ts';

/** The desktop on the other side: an X logo, as big as the screen. */
const DESKTOP = { bg: '#c02020', fg: '#2020c0' } as const;

systemTest(
  'a real RDP session: opened at login with its password, opened again when it drops, ended at logout',
  { agents: [] },
  async site => {
    const { folder } = site;
    await using desktop = await openScreen('desktop', join(folder, 'logs'));
    await using screen = await openScreen('screen', join(folder, 'logs'));
    desktop.show('xlogo', 'xlogo', '-geometry', '800x600+0+0', '-bg', DESKTOP.bg, '-fg', DESKTOP.fg);
    const port = await freePort();
    await using rdp = await createRdpServer({ folder, display: desktop.display, port, user: ALICE });
    await rdp.start();
    const runtime = mkdtempSync('/dev/shm/thinman-clients-');
    try {
      const connection = {
        ...{ name: 'desktop', type: 'rdp', host: '127.0.0.1', port, certificate: 'first-use', fullscreen: true },
        ...{ sso: true, autostart: true, reconnect: 'on-failure' },
      };
      await site.apply(JSON.stringify({ kind: 'Profile', name: 'nurses', body: { connections: [connection] } }));
      const tc1 = await site.addAgent('tc-rdp', GROUP, {}, ['--display', screen.display, '--runtime', runtime]);
      await tc1.start();
      assert.deepEqual((await sessionOf(tc1)).connections, [], 'nobody is signed in');

      await expectLogin(tc1, ALICE, 'granted online by primary');
      await seesDesktop(screen, 'after the login');
      assert.deepEqual(
        (await sessionOf(tc1)).connections.map(({ name, state }) => [name, state]),
        [['desktop', 'open']],
      );
      const first = clientOf(tc1);
      assert.ok(first !== undefined);
      const told = ['cmdline', 'environ'].map(file => readFileSync(`/proc/${first}/${file}`, 'utf8'));
      const written = readdirSync(runtime).map(name => readFileSync(join(runtime, name), 'utf8'));
      assert.ok(
        written.some(text => text.includes('full address:s:127.0.0.1')),
        'the .rdp file is in memory',
      );
      assert.ok(
        [...told, ...written].every(text => !text.includes(ALICE.password)),
        'the password is in none of them',
      );

      process.kill(first, 'SIGKILL');
      const second = await waitFor('another client', () => {
        const pid = clientOf(tc1);
        return pid === first ? undefined : pid;
      });
      await seesDesktop(screen, 'after its client was killed');

      await rdp.kill();
      await waitFor('the client to be gone', () => (clientOf(tc1) === second ? undefined : true));
      await rdp.start();
      await seesDesktop(screen, 'after the server came back');

      assert.equal((await tc1.command('disconnect', ['desktop'])).code, 0);
      await seesNothing(screen, tc1);
      assert.equal((await tc1.command('connect', ['desktop'])).code, 0);
      await seesDesktop(screen, 'after it was opened by hand');

      assert.equal((await tc1.logout()).code, 0);
      await seesNothing(screen, tc1);
      assert.deepEqual(readdirSync(runtime), [], 'nothing of the session is left');
      assert.equal(existsSync(join(tc1.data, 'applied', 'user-policy.json')), false);
      assert.deepEqual((await sessionOf(tc1)).connections, []);
    } finally {
      rmSync(runtime, { recursive: true, force: true });
    }
  },
);

async function sessionOf(agent: Agent): Promise<SessionView> {
  return asPromised(SessionView, (await agent.command('session', ['--json'])).stdout);
}

/** Both colours of the desktop, as much as they are there. */
async function seesDesktop(screen: Screen, when: string): Promise<void> {
  await waitFor(`the desktop on the screen ${when}`, async () => {
    const picture = await screen.picture();
    return picture.share(0xc0, 0x20, 0x20) > 0.4 && picture.share(0x20, 0x20, 0xc0) > 0.1 ? true : undefined;
  });
}

async function seesNothing(screen: Screen, agent: Agent): Promise<void> {
  await waitFor('the desktop to be gone', async () => {
    const picture = await screen.picture();
    return picture.share(0xc0, 0x20, 0x20) === 0 && clientOf(agent) === undefined ? true : undefined;
  });
}

/** The client that this agent has started and that runs. */
function clientOf(agent: Agent): number | undefined {
  const { pid } = agent.process();
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.find(child => {
    try {
      return readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('xfreerdp\0');
    } catch {
      return false;
    }
  });
}
