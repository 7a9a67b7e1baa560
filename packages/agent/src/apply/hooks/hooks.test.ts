import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DEFAULT_AGENT_TIMINGS, type DeviceBundle, type UserBundle } from '@thinman/protocol';
import { waitFor } from '../../../../../test/support/wait.ts';
import { systemClock } from '../../adapters/clock.ts';
import { applyAll } from '../applier.ts';
import { createHookAppliers } from './hook-appliers.ts';
import { readHookFolder } from './hook-folder.ts';
import { type HookRun, runHook } from './run-hook.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thinman-hooks-'));
  chmodSync(dir, 0o755);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function hook(name: string, script: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  chmodSync(join(dir, name), 0o755);
}

const device: DeviceBundle = {
  version: { epoch: 1, generation: 4 },
  etag: 'e',
  device: { id: '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11', name: 'tc-1', group: 'ward-3' },
  settings: { 'display.scale': 2, 'power.suspendAfterMinutes': 5 },
  profile: { connections: [] },
  timings: DEFAULT_AGENT_TIMINGS,
};
const user: UserBundle = {
  version: { epoch: 1, generation: 5 },
  etag: 'u',
  user: { id: '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a12', name: 'alice', displayName: null, groups: [] },
  settings: { 'power.suspendAfterMinutes': 30 },
  profile: { connections: [{ name: 'ward', type: 'rdp', host: 'h' }] },
  offline: { allowed: true, maxAgeMs: 1, graceMs: 1, maxFailures: 1, waitMs: 1 },
};

/** Applies by the hooks of the folder. */
function hooks(run: Partial<HookRun> = {}) {
  const appliers = createHookAppliers(dir, (each, input) => runHook(each, input, { clock: systemClock, ...run }));
  return (holding: { device: DeviceBundle; user: UserBundle | null }) => applyAll(holding, appliers());
}

test('a hook gets its section on standard input, when it changed, and its exit code is the result', async () => {
  hook('20-display', `cat >> ${dir}/display.json`);
  hook('30-power.sh', `cat >> ${dir}/power.json; exit 80`);
  hook('40-connections', 'exit 81');
  const apply = hooks();
  const results = {
    display: { result: 'applied' },
    power: { result: 'pending', until: 'reboot' },
    connections: { result: 'pending', until: 'logout' },
  };
  assert.deepEqual(await apply({ device, user: null }), results);
  assert.deepEqual(await apply({ device, user }), results);
  assert.deepEqual(await apply({ device, user }), results);
  const lines = (name: string) =>
    readFileSync(join(dir, name), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
  assert.deepEqual(lines('power.json'), [
    {
      section: 'power',
      device: 'tc-1',
      user: null,
      version: device.version,
      values: { 'power.suspendAfterMinutes': 5 },
    },
    {
      section: 'power',
      device: 'tc-1',
      user: 'alice',
      version: user.version,
      values: { 'power.suspendAfterMinutes': 30 },
    },
  ]);
  assert.equal(lines('display.json').length, 2, 'once for nobody, once for alice');
});

test('at logout the values of the device hold again, and a section that nothing sets any more is told as empty', async () => {
  hook('power', `cat >> ${dir}/out`);
  const apply = hooks();
  await apply({ device, user });
  await apply({ device, user: null });
  await apply({ device: { ...device, settings: {} }, user: null });
  const values = readFileSync(join(dir, 'out'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).values);
  assert.deepEqual(values, [{ 'power.suspendAfterMinutes': 30 }, { 'power.suspendAfterMinutes': 5 }, {}]);
});

test('a hook that fails is reported with its last line, bounded, and others run all the same', async () => {
  hook('10-display', 'echo first >&2; printf "no such\\tmonitor\\n" >&2; exit 3');
  hook('10-power', 'head -c 2000 /dev/zero | tr "\\0" x >&2; exit 1');
  hook('20-power', `echo ran > ${dir}/ran`);
  const results = await hooks()({ device, user: null });
  assert.deepEqual(results.display, { result: 'failed', why: '10-display: no such monitor (exit 3)' });
  assert.equal(results.power?.result, 'failed');
  assert.equal(results.power?.result === 'failed' && results.power.why.length, 500);
  assert.equal(readFileSync(join(dir, 'ran'), 'utf8'), 'ran\n');
});

test('a hook that hangs is ended with its children when its time is over', async () => {
  hook('display', `sleep 1000 & echo $! > ${dir}/child; wait`);
  const results = await hooks({ deadlineMs: 300 })({ device, user: null });
  assert.deepEqual(results.display, { result: 'failed', why: 'display: was ended after 0.3 s' });
  const child = Number(readFileSync(join(dir, 'child'), 'utf8'));
  await waitFor('the child to be gone', () => (isAlive(child) ? undefined : true));
});

test('nor does a child go on that has a session of its own, or that nobody knows the parent of', async () => {
  // One while its parent is there, without any environment; one that has none any more, with the hook's.
  hook(
    'display',
    `env -i setsid sleep 1000 & echo $! >> ${dir}/children
( setsid sh -c 'echo $$ >> ${dir}/children; exec sleep 1000' & )
while [ $(wc -l < ${dir}/children) -lt 2 ]; do :; done
wait`,
  );
  const results = await hooks({ deadlineMs: 1_000 })({ device, user: null });
  assert.equal(results.display?.result, 'failed');
  for (const child of children()) await waitFor('the child to be gone', () => (isAlive(child) ? undefined : true));
});

test('what a hook leaves behind on purpose stays when another one is killed', async () => {
  hook(
    '10-display',
    `setsid sh -c 'echo $$ > ${dir}/children; exec sleep 1000' > /dev/null 2>&1 &
while [ ! -s ${dir}/children ]; do :; done`,
  );
  hook('20-power', 'sleep 1000');
  const results = await hooks({ deadlineMs: 1_000 })({ device, user: null });
  assert.deepEqual([results.display?.result, results.power?.result], ['applied', 'failed']);
  const [daemon = 0] = children();
  assert.ok(isAlive(daemon));
  process.kill(daemon, 'SIGKILL');
});

test('one that ends and leaves a child that holds its standard error is not waited for', async () => {
  hook('display', `sleep 1000 & echo $! > ${dir}/child; exit 0`);
  assert.deepEqual((await hooks()({ device, user: null })).display, { result: 'applied' });
  process.kill(Number(readFileSync(join(dir, 'child'), 'utf8')));
});

test('one that prints 100 MiB costs no memory: on standard output it is lost, on standard error it is ended', async () => {
  hook('display', 'head -c 104857600 /dev/zero');
  hook('power', 'head -c 104857600 /dev/zero >&2; exit 0');
  const before = process.memoryUsage().rss;
  const results = await hooks()({ device, user: null });
  assert.deepEqual(results.display, { result: 'applied' });
  const why = 'power: was ended: it printed more than 4 MiB on standard error';
  assert.deepEqual(results.power, { result: 'failed', why });
  assert.ok(process.memoryUsage().rss - before < 60 * 1024 * 1024);
});

test('it sees nothing of the environment of the agent', async () => {
  process.env.THINMAN_CANARY = 'canary';
  hook('display', `env > ${dir}/env`);
  await hooks()({ device, user: null });
  delete process.env.THINMAN_CANARY;
  const names = readFileSync(join(dir, 'env'), 'utf8')
    .trim()
    .split('\n')
    .map(line => line.split('=')[0]);
  assert.deepEqual(names.filter(name => !['PWD', '_', 'SHLVL', 'OLDPWD'].includes(name ?? '')).sort(), [
    'LANG',
    'PATH',
    'THINMAN_HOOK',
    'THINMAN_HOOK_RUN',
  ]);
});

test('what others could have written is not run, and that is reported', async () => {
  hook('10-display', 'exit 0');
  hook('20-power', 'exit 0');
  hook('typo', 'exit 0');
  chmodSync(join(dir, '20-power'), 0o757);
  symlinkSync('/bin/true', join(dir, '30-locale'));
  writeFileSync(join(dir, 'README'), '', { mode: 0o644 });
  for (const leftover of ['20-power.dpkg-new', 'power.dpkg-old', '20-power.rpmsave', 'power~', 'power.swp']) {
    hook(leftover, 'exit 0');
  }
  const found = readHookFolder(dir);
  assert.ok(found.kind === 'hooks');
  assert.deepEqual(
    found.hooks.map(({ name }) => name),
    ['10-display'],
  );
  assert.equal(found.refused.length, 3);
  assert.equal((await hooks()({ device, user: null }))['apply.d']?.result, 'failed');
  chmodSync(dir, 0o777);
  assert.equal(readHookFolder(dir).kind, 'unfit');
  chmodSync(dir, 0o755);
  assert.equal(readHookFolder(join(dir, 'none')).kind, 'hooks');
});

test('a folder of somebody else is not used', { skip: process.getuid?.() !== 0 }, () => {
  const folder = join(dir, 'apply.d');
  mkdirSync(folder, { mode: 0o755 });
  chownSync(folder, 65_534, 65_534);
  assert.equal(readHookFolder(folder).kind, 'unfit');
});

const children = () => readFileSync(join(dir, 'children'), 'utf8').trim().split('\n').map(Number);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie is dead.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
