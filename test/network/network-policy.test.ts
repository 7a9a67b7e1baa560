import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BundleApplied, parseValue, type SectionResult } from '@thinman/protocol';
import { createNetwork } from '../support/network/network.ts';
import type { Site } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { FAST_TIMINGS } from '../support/timings.ts';
import { waitFor } from '../support/wait.ts';
import { GROUP } from '../support/ward.ts';

const DEVICE = 'device';
/** Long enough for a link that comes up on a busy machine. */
const NETWORK_TRIAL_MS = 4_000;

/** The device's own way to set up its network: with these DNS servers its cable is as if pulled out. */
const hook = (log: string) => `#!/bin/sh
values=$(cat)
echo "$values" >> '${log}'
case "$values" in
  *10.99.99.*) ip link set eth0 down ;;
  *) ip link set eth0 up ;;
esac
`;

const policy = (dns: string) => `
kind: Policy
name: net
body: { scope: device, settings: { network: { dns: { servers: [${dns}] } } } }
---
kind: Assignment
name: net
body: { policy: net, to: { deviceGroup: ${GROUP} } }
`;

test('a network policy that would strand the device is taken back, and one that was being tried when the power failed', async () => {
  const timings = { ...FAST_TIMINGS, networkTrialMs: NETWORK_TRIAL_MS };
  await onSiteIn(
    async () => {
      const network = await createNetwork([DEVICE]);
      const outside = { address: network.outsideAddress, command: [] };
      return Object.assign(network, { hosts: { primary: outside, secondary: outside } });
    },
    { agents: [], timings },
    async (site, network) => {
      const inside = { command: network.host(DEVICE).command };
      const tc1 = await site.addAgent('tc-net', GROUP, {}, { inside });
      const hooks = join(tc1.data, 'apply.d');
      mkdirSync(hooks, { mode: 0o755 });
      const log = join(tc1.data, 'hook.log');
      const tried = (server: string) =>
        waitFor(`${server} to be tried`, () => (readFileSync(log, 'utf8').includes(server) ? true : undefined));
      writeFileSync(join(hooks, '20-network'), hook(log), { mode: 0o755 });
      chmodSync(join(hooks, '20-network'), 0o755);
      await tc1.start();

      await site.apply(policy('192.0.2.1'));
      assert.deepEqual(await networkResult(site), { result: 'applied' });
      assert.match(confirmedOn(tc1.data), /192\.0\.2\.1/);

      await site.apply(policy('10.99.99.1'));
      await tried('10.99.99.1');
      const failed = await networkResult(site);
      assert.equal(failed.result, 'failed');
      assert.match(failed.result === 'failed' ? failed.why : '', /no server answered/);
      await tc1.waitForStatus('to be back', ({ mode }) => mode === 'online');
      assert.match(confirmedOn(tc1.data), /192\.0\.2\.1/);
      assert.match(readFileSync(join(tc1.data, 'applied', 'device-policy.json'), 'utf8'), /192\.0\.2\.1/);

      await site.apply(policy('10.99.99.2'));
      await tried('10.99.99.2');
      await tc1.kill();
      await tc1.start();
      await tc1.waitForStatus('to be there with what was confirmed', ({ mode }) => mode === 'online');
      await site.apply(policy('192.0.2.2'));
      await waitFor('the new policy to be confirmed', () =>
        /192\.0\.2\.2/.test(confirmedOn(tc1.data)) ? true : undefined,
      );
      await tc1.waitForStatus('to be online', ({ mode }) => mode === 'online');
    },
  );
});

const told = new Set<string>();

/** What the device next tells of its network. */
async function networkResult(site: Site): Promise<SectionResult> {
  return waitFor('the device to tell what became of its network', async () => {
    const events = (await site.primary.events()).filter(({ type, id }) => type === 'bundle.applied' && !told.has(id));
    for (const { id, data } of events.toReversed()) {
      told.add(id);
      const parsed = parseValue(BundleApplied, data);
      const result = parsed.ok ? parsed.value.sections?.network : undefined;
      if (result !== undefined) return result;
    }
    return undefined;
  });
}

function confirmedOn(data: string): string {
  return JSON.parse(readFileSync(join(data, 'apply-state.json'), 'utf8')).network.confirmed;
}
