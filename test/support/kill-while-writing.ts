import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { writeObject } from './crash-points-recovery.ts';
import type { Site } from './site.ts';
import { waitFor } from './wait.ts';

/** Every so many kills it is the Secondary that is hit. */
const SECONDARY_EVERY = 4;

/**
 * An administrator writes, and servers are killed (-9) at random moments meanwhile. Gives the names of the DeviceGroups that the
 * Primary has acknowledged.
 */
export async function killWhileWriting(
  { primary, secondary }: Site,
  { writes, kills }: { readonly writes: number; readonly kills: number },
): Promise<readonly string[]> {
  const acknowledged: string[] = [];
  let written = 0;
  const writing = (async () => {
    for (; written < writes; written++) {
      const name = `object-${written}`;
      if (await writeObject(primary, name)) acknowledged.push(name);
      else await primary.waitForStatus('to answer again', () => true);
    }
  })();
  for (let kill = 1; kill <= kills; kill++) {
    const after = (kill * writes) / (kills + 1);
    await waitFor(`${after} writes`, () => written >= after || undefined);
    await delay(randomInt(10)); // not a wait for something: the moment is what is tested
    const victim = kill % SECONDARY_EVERY === 0 ? secondary : primary;
    await victim.kill();
    await victim.start();
  }
  await writing;
  assert.ok(acknowledged.length > writes / 2, `${acknowledged.length} writes were acknowledged`);
  return acknowledged;
}
