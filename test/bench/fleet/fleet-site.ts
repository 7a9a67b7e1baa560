import { join } from 'node:path';
import type { ObjectInput } from '@thinman/protocol';
import Type from 'typebox';
import type { DeviceIdentity } from '../../../packages/agent/src/ports.ts';
import { connect } from '../../../packages/server/src/cli/thinman/admin-client.ts';
import { enrolFleet } from '../../fleet/enrolment.ts';
import { createFleet, type Fleet, type FleetParts } from '../../fleet/fleet.ts';
import { fleetUsers } from '../../fleet/users.ts';
import { createSite, type Site } from '../../support/site.ts';
import { waitFor } from '../../support/wait.ts';
import type { BenchOptions } from '../bench.ts';

export const FLEET_GROUP = 'fleet';
/** Distinct people: each is derived once on the server and once here. */
const USERS = 8;
/** Arrivals a second while the site is made ready: what two cores connect without haste. */
const ARRIVALS = 200;
/** A whole fleet, on a machine that does other things too. */
const CONNECT_WITHIN_MS = 180_000;

export type FleetSite = {
  readonly site: Site;
  readonly fleet: Fleet;
  readonly identities: readonly DeviceIdentity[];
  /** Asks the Primary to apply these, over its admin socket, in no process of its own. */
  apply(objects: readonly ObjectInput[]): Promise<void>;
  close(): Promise<void>;
};

export type FleetSiteOptions = {
  readonly devices: number;
  readonly secondary?: boolean;
  /** Applied before the devices are enrolled. */
  readonly objects?: readonly ObjectInput[];
  readonly parts?: Pick<FleetParts, 'onBundle' | 'onEvent'>;
  /** With all devices enrolled, and none connected. */
  readonly beforeConnecting?: (site: Site) => Promise<void>;
};

/** A site of real server processes with all numbers of the product, and a fleet in this process that is connected to it. */
export async function startFleetSite(
  { folder, processes, say }: BenchOptions,
  { devices, secondary = false, objects = [], parts = {}, beforeConnecting }: FleetSiteOptions,
): Promise<FleetSite> {
  const site = await createSite({ folder: join(folder, 'site'), processes });
  await site.foundPrimary();
  if (secondary) await site.joinSecondary();
  const admin = connect({ kind: 'socket', path: join(site.primary.data, 'admin.sock'), data: site.primary.data });
  const apply = async (given: readonly ObjectInput[]) => {
    await admin.ask(Type.Unknown(), { method: 'POST', path: '/apply', body: { objects: given } });
  };
  const users = fleetUsers('user-', USERS);
  await apply([
    { kind: 'DeviceGroup', name: FLEET_GROUP, body: {} },
    ...objects,
    ...users.map(({ name, password }) => ({ kind: 'User', name, body: { password } }) as const),
  ]);
  const uses = String(devices);
  const token = await site.primary.administer(['token', 'device', '--group', FLEET_GROUP, '--uses', uses]);
  const names = Array.from({ length: devices }, (_, at) => `tc-${at + 1}`);
  const beganMs = performance.now();
  const { identities, signed } = await enrolFleet(token.trim(), names);
  say(`${devices} devices enrolled in ${Math.round(performance.now() - beganMs)} ms`);
  await beforeConnecting?.(site);
  const fleet = createFleet({ identities, signed, users, ...parts });
  await fleet.start(ARRIVALS);
  await waitUntilOn(fleet, 'primary');
  await waitUntilQuiet(fleet);
  say('all of them are connected');
  return {
    ...{ site, fleet, identities, apply },
    async close() {
      await fleet.stop();
      await admin.close();
    },
  };
}

/** Until every device has its channel on this server. */
export async function waitUntilOn(fleet: Fleet, server: string): Promise<void> {
  const count = () => fleet.byServer().get(server) ?? 0;
  await waitFor(
    `all devices to be on the ${server}`,
    () => (count() === fleet.devices.length ? true : undefined),
    CONNECT_WITHIN_MS,
    () => `${count()} of ${fleet.devices.length} are. ${[...fleet.defects.keys()].join()}`,
  );
}

/** Until no device has anything left to hand on. */
export async function waitUntilQuiet(fleet: Fleet): Promise<void> {
  const busy = () => fleet.devices.filter(device => device.pendingEvents() > 0).length;
  await waitFor(
    'all devices to have handed on their events',
    () => (busy() === 0 ? true : undefined),
    CONNECT_WITHIN_MS,
    () => `${busy()} have not`,
  );
}
