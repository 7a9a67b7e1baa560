import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/loopback.ts';
import { createScratch } from '../support/scratch.ts';
import { createServerCommands } from '../support/server-commands.ts';
import { ALICE, GROUP, WARD } from '../support/ward.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const HOST = join(EXAMPLES, 'embed-server.ts');
const GREETER = join(EXAMPLES, 'embed-agent.ts');

const DESKTOPS = 'desktop (horizon), ward (rdp), wiki (web)';

test('the examples work as they stand: a host serves its page and thin clients, a greeter logs in with and without it', async () => {
  await using scratch = createScratch('thinman-embedding-');
  const { folder, processes } = scratch;
  const [data, device] = [join(folder, 'host'), join(folder, 'tc-1')];
  const [port, pagePort] = [String(await freePort()), String(await freePort())];
  const startHost = async (name: string) => {
    const host = processes.start(name, HOST, [data, port, pagePort]);
    await host.waitForLine(/^READY /);
    return host;
  };
  const greet = async (lines: readonly string[], ...token: string[]) => {
    const { code, stdout, stderr } = await processes.run(GREETER, [device, ...token], { input: lines.join('\n') });
    assert.equal(code, 0, stderr);
    return stdout.trimEnd().split('\n');
  };
  const page = async () => (await fetch(`http://127.0.0.1:${pagePort}/`)).json();

  const host = await startHost('host');
  assert.match(host.stdout(), /^new site; recovery code, shown once: \S+$/m);
  assert.deepEqual(await page(), { hospital: 'St. Example', logins: 'serving', thinClients: 0 });

  const primary = createServerCommands(processes, 'primary', data, `https://127.0.0.1:${port}`);
  await primary.administer(['apply', '-f', '-'], WARD);
  const token = await primary.administer(['token', 'device', '--group', GROUP]);

  const { name, password } = ALICE;
  const [enrolled, ...online] = await greet([`${name} wrong-password`, `${name} ${password}`, 'logout'], token.trim());
  assert.match(enrolled ?? '', /^this device is \S+$/);
  assert.deepEqual(online, [
    '[online, primary] nobody is logged in',
    'denied: The user name or the password is wrong.',
    `welcome, alice (online): ${DESKTOPS}`,
    '[online, primary] alice is logged in',
    '[online, primary] nobody is logged in',
  ]);

  host.signal('SIGTERM');
  const { code, stdout } = await host.exited;
  assert.equal(code, 0);
  assert.match(stdout, /^thinman: serving -> draining\b/m);
  assert.match(stdout, /^stopped$/m);

  const [nobody, welcome, asOf, bar] = await greet([`${name} ${password}`]);
  assert.match(asOf ?? '', /^offline: the profile is as of \d{4}-/);
  assert.deepEqual(
    [nobody, welcome, bar],
    [
      '[offline, no server] nobody is logged in',
      `welcome, alice (offline): ${DESKTOPS}`,
      '[offline, no server] alice is logged in',
    ],
  );

  const again = await startHost('host-again');
  assert.doesNotMatch(again.stdout(), /new site/);
});
