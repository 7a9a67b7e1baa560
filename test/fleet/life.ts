import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet } from './fleet.ts';
import type { LightDevice } from './light-device.ts';

export type Life = {
  /** A second, over all devices. */
  readonly logins: number;
  /** A minute, over all devices. */
  readonly disconnections: number;
  readonly random?: () => number;
};

/** Steps of this length: at 500 logins a second ten at once. */
const STEP_MS = 20;
const MS_PER_SECOND = 1_000;
const MS_PER_MINUTE = 60_000;

/** People log in and cables are pulled, at random, until `signal` ends it. Resolves when the last login is answered. */
export async function live(fleet: Fleet, { logins, disconnections, random = Math.random }: Life, signal: AbortSignal) {
  const underway = new Set<Promise<unknown>>();
  const busy = new Set<LightDevice>();
  const beganMs = performance.now();
  const due = (rate: number, perMs: number) => Math.floor(((performance.now() - beganMs) * rate) / perMs);
  const anyDevice = () => fleet.devices[Math.floor(random() * fleet.devices.length)];

  let loggedIn = 0;
  let hungUp = 0;
  while (!signal.aborted) {
    for (; loggedIn < due(logins, MS_PER_SECOND); loggedIn++) {
      const device = anyDevice();
      // One person a device: who still waits for an answer types nothing.
      if (device === undefined || busy.has(device)) continue;
      busy.add(device);
      const login = fleet.login(device).finally(() => {
        busy.delete(device);
        underway.delete(login);
      });
      underway.add(login);
    }
    for (; hungUp < due(disconnections, MS_PER_MINUTE); hungUp++) anyDevice()?.disconnect();
    await delay(STEP_MS);
  }
  await Promise.all(underway);
}
