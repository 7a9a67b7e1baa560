import { enrolFleet } from '../fleet/enrolment.ts';
import { createFleet, type Fleet } from '../fleet/fleet.ts';
import { live } from '../fleet/life.ts';
import type { LightDevice } from '../fleet/light-device.ts';
import type { Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';
import { GROUP } from '../support/ward.ts';
import type { Dice } from './dice.ts';
import { Finding, type History } from './history.ts';
import type { Steady } from './people.ts';

/** What a ward adds to the few real agents: as many logins as they make, and a cable that is pulled every three seconds. */
const LOGINS_PER_SECOND = 2;
const DISCONNECTIONS_PER_MINUTE = 20;
/** Together at the beginning: no more than two cores take at once. */
const ARRIVALS_PER_SECOND = 50;

/** Light devices beside the real ones, on which people log in whom nobody touches: what they were told counts as all else. */
export type Crowd = {
  /** Until `signal`; then until the last one has his answer. */
  live(signal: AbortSignal): Promise<void>;
  /** All are on the Primary and have handed on their events. Throws a Finding. */
  settled(withinMs: number): Promise<void>;
  stop(): Promise<void>;
};

/** Enrols and starts them, and has each person log in once: from then on nobody needs a server to get in. */
export async function createCrowd(
  site: Site,
  devices: number,
  users: readonly Steady[],
  history: History,
  dice: Dice,
): Promise<Crowd> {
  if (devices === 0) return { live: async () => {}, settled: async () => {}, stop: async () => {} };
  const uses = String(devices);
  const token = await site.primary.administer(['token', 'device', '--group', GROUP, '--uses', uses]);
  const names = Array.from({ length: devices }, (_, at) => `crowd-${at + 1}`);
  const fleet = createFleet({ ...(await enrolFleet(token.trim(), names)), users });
  const recorded: Fleet = { ...fleet, login: device => loginAndSee(site, fleet, users, history, device) };
  await fleet.start(ARRIVALS_PER_SECOND);
  await waitFor('the crowd to be connected', () => (fleet.connected() === devices ? true : undefined));
  for (const device of fleet.devices) await recorded.login(device);
  const life = {
    logins: LOGINS_PER_SECOND,
    disconnections: DISCONNECTIONS_PER_MINUTE,
    random: () => dice.between(0, 1),
  };
  return {
    live: signal => live(recorded, life, signal),
    async settled(withinMs) {
      const at = () => `${fleet.byServer().get('primary') ?? 0} of ${devices} are there`;
      const isBack = () => fleet.devices.every(device => device.server() === 'primary' && device.pendingEvents() === 0);
      await waitFor('the crowd to be on the Primary', () => (isBack() ? true : undefined), withinMs, at);
      for (const [defect, times] of fleet.defects) throw new Finding(`${times} × a defect of an agent: ${defect}`);
    },
    stop: fleet.stop,
  };
}

async function loginAndSee(site: Site, fleet: Fleet, users: readonly Steady[], history: History, device: LightDevice) {
  const startMs = Date.now();
  const answer = await fleet.login(device);
  if (answer === undefined) return undefined;
  const { user, elapsedMs, verdict } = answer;
  const code = verdict === 'granted' ? 0 : 1;
  const password = users.find(({ name }) => name === user)?.password ?? '';
  site.history.logins.push({ device: device.name, user, answer, code, stderr: '', elapsedMs });
  history.logins.push({ device: device.name, user, password, answer, code, startMs, endMs: Date.now() });
  return answer;
}
