import type { ObjectInput } from '@thinman/protocol';
import { waitFor } from '../../support/wait.ts';
import type { FleetSite } from './fleet-site.ts';

/** A policy that is assigned to one device alone. */
export function narrowPolicy(minutes: number): readonly ObjectInput[] {
  return [
    {
      kind: 'Policy',
      name: 'narrow',
      body: { scope: 'device', settings: { power: { screenOffAfterMinutes: minutes } } },
    },
    { kind: 'Assignment', name: 'narrow', body: { policy: 'narrow', to: { device: 'tc-1' } } },
  ];
}

/** Counts the bundles that devices were given, to wait for the next one. */
export function bundleCounter() {
  const counts = new Map<string, number>();
  let total = 0;
  return {
    onBundle(device: string): void {
      counts.set(device, (counts.get(device) ?? 0) + 1);
      total += 1;
    },
    of: (device: string) => counts.get(device) ?? 0,
    total: () => total,
  };
}
export type BundleCounter = ReturnType<typeof bundleCounter>;

/** ms from asking for a change that concerns the device tc-1 alone until that holds its bundle. */
export async function narrowChangeMs(site: FleetSite, bundles: BundleCounter, round: number): Promise<number> {
  const before = bundles.of('tc-1');
  const beganMs = performance.now();
  const arrived = waitUntilMore(bundles, before);
  await site.apply(narrowPolicy(1 + (round % 50)));
  return (await arrived) - beganMs;
}

async function waitUntilMore(bundles: BundleCounter, before: number): Promise<number> {
  let atMs = 0;
  await waitFor('the device to hold its new bundle', () => {
    if (bundles.of('tc-1') === before) return undefined;
    atMs = performance.now();
    return true;
  });
  return atMs;
}
