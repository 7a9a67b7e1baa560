import { setTimeout as delay } from 'node:timers/promises';
import type { DeviceBundle, LoginResult, SignedStatement, SiteStatement } from '@thinman/protocol';
import { verifyStatement } from '../../packages/agent/src/adapters/statement.ts';
import type { DeviceIdentity } from '../../packages/agent/src/ports.ts';
import { sharedDerivations } from './derivations.ts';
import { createLightDevice, type LightDevice } from './light-device.ts';
import { createTallies, type Tallies } from './tallies.ts';
import type { FleetUser } from './users.ts';

export type FleetParts = {
  readonly identities: readonly DeviceIdentity[];
  readonly signed: SignedStatement;
  readonly users: readonly FleetUser[];
  readonly onEvent?: (device: string, type: string) => void;
  readonly onBundle?: (device: string, bundle: DeviceBundle) => void;
};

/** Many light devices in this process. */
export type Fleet = {
  readonly devices: readonly LightDevice[];
  readonly tallies: Tallies;
  /** Every defect that a device met, by its message: none is expected. */
  readonly defects: ReadonlyMap<string, number>;
  /** Starts all of them, so many a second, or fewer where `mostOnTheWay` have no server yet; until `signal` at most. */
  start(perSecond: number, options?: { readonly mostOnTheWay?: number; readonly signal?: AbortSignal }): Promise<void>;
  /** Devices with a channel by the name of its server. */
  byServer(): ReadonlyMap<string, number>;
  connected(): number;
  /** One login of the user of this device; its answer is in the tallies. undefined: it was stopped. */
  login(device: LightDevice): Promise<LoginResult | undefined>;
  stop(): Promise<void>;
};

/** Devices are started in steps of this length: at 1,000 a second ten at once, which no network tells from a steady stream. */
const STEP_MS = 10;
/**
 * So many may be on their way to a server at once. Where this process or the server is slower than the arrivals, more of them would
 * outrun their deadlines, begin again, and none would come through: devices on desks have a processor each.
 */
const MOST_ON_THE_WAY = 200;
/** One that took longer is not waited for: the servers may be down. */
const ON_THE_WAY_MS = 10_000;
const MS_PER_SECOND = 1_000;

/** Throws when the statement is not signed by the CA of these identities. */
export function createFleet({ identities, signed, users, onEvent, onBundle }: FleetParts): Fleet {
  const tallies = createTallies();
  const defects = new Map<string, number>();
  const verify = verifyOnce(identities[0]);
  const statement = verify(signed);
  if (statement === undefined) throw new Error('the site statement is not signed by the site of these devices');
  const derive = sharedDerivations();
  const devices = identities.map(identity =>
    createLightDevice(identity, {
      ...{ derive, statement, verifyStatement: verify },
      onEvent(device, type) {
        tallies.event(type);
        onEvent?.(device, type);
      },
      ...(onBundle !== undefined && { onBundle }),
      onDefect(error) {
        const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
        defects.set(message, (defects.get(message) ?? 0) + 1);
      },
    }),
  );
  const userOf = new Map(devices.map((device, at) => [device, users[at % users.length]]));

  const fleet: Fleet = {
    devices,
    tallies,
    defects,
    async start(perSecond, { mostOnTheWay = MOST_ON_THE_WAY, signal } = {}) {
      let lastMs = performance.now();
      let due = 0;
      let onTheWay: { readonly device: LightDevice; readonly sinceMs: number }[] = [];
      for (let started = 0; started < devices.length && signal?.aborted !== true; ) {
        const nowMs = performance.now();
        due += ((nowMs - lastMs) / MS_PER_SECOND) * perSecond;
        lastMs = nowMs;
        onTheWay = onTheWay.filter(
          ({ device, sinceMs }) => nowMs - sinceMs < ON_THE_WAY_MS && device.server() === undefined,
        );
        // What is held back now does not come all at once later.
        due = Math.min(due, started + mostOnTheWay - onTheWay.length);
        const next = devices.slice(started, Math.ceil(due));
        for (const device of next) device.start();
        started += next.length;
        onTheWay.push(...next.map(device => ({ device, sinceMs: nowMs })));
        await delay(STEP_MS);
      }
    },
    byServer() {
      const counts = new Map<string, number>();
      for (const device of devices) {
        const server = device.server();
        if (server !== undefined) counts.set(server, (counts.get(server) ?? 0) + 1);
      }
      return counts;
    },
    connected: () => devices.filter(device => device.server() !== undefined).length,
    async login(device) {
      const user = userOf.get(device);
      if (user === undefined) throw new Error('a fleet without users logs nobody in');
      // An agent that is stopped meanwhile rejects: a login without an answer.
      const result = await device.login(user.name, user.password).catch(() => undefined);
      tallies.login(result);
      return result;
    },
    async stop() {
      await Promise.all(devices.map(device => device.stop()));
    },
  };
  return fleet;
}

/** All devices hear the same statement: it is verified once for all of them. */
function verifyOnce(one: DeviceIdentity | undefined) {
  const verified = new Map<string, SiteStatement | undefined>();
  return (signed: SignedStatement): SiteStatement | undefined => {
    if (one === undefined) return undefined;
    const key = `${signed.signature} ${signed.statement}`;
    if (!verified.has(key)) verified.set(key, verifyStatement(signed, one.caCertificates, one.siteId));
    return verified.get(key);
  };
}
