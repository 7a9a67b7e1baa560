import type { DeviceBody, DeviceFacts, DeviceSystem } from '@thinman/protocol';
import { commit, refusalUnlessPrimary, type Touched } from '../../admin-plane/commit.ts';
import { filterHolds } from '../../core/filter.ts';
import type { StoredObject } from '../../ports.ts';
import type { DeviceDeps } from '../device-deps.ts';
import type { Connection } from './connection.ts';

/** Devices that come together (a start of all) are written in one commit. */
const GATHER_MS = 1_000;
/** After a commit that was refused: the database is away, or another server has become the Primary. */
const RETRY_MS = 30_000;
/** In one commit: some 200 ms with MariaDB, for which the site row is locked. */
const MAX_TOGETHER = 200;

const ACTOR = { name: 'facts', role: 'owner' } as const;

/** What devices say they are, on its way into their objects (ADR 0043). */
export type FactsDesk = {
  /** A device has said what it is, or filters have changed. */
  look(connections: Iterable<Connection>): void;
  stop(): void;
};

type FactsDeps = Pick<DeviceDeps, 'site' | 'write' | 'clock' | 'log'>;

/**
 * Facts are written when a filter of the site would decide otherwise with them than with those that are stored, and by the Primary
 * alone: so all servers make the same bundle, and a site without filters writes nothing.
 */
export function createFactsDesk({ site, write, clock, log }: FactsDeps): FactsDesk {
  const waiting = new Map<string, Connection>();
  let cancel: (() => void) | undefined;
  let stopped = false;

  const matters = ({ body, system }: StoredObject, facts: DeviceFacts): boolean => {
    const { attributes } = body as DeviceBody;
    const { facts: stored } = system as DeviceSystem;
    for (const filter of site.config().filters) {
      if (filterHolds(filter, { attributes, facts: stored }) !== filterHolds(filter, { attributes, facts }))
        return true;
    }
    return false;
  };

  function arm(delayMs: number): void {
    if (stopped || cancel !== undefined || waiting.size === 0) return;
    cancel = clock.after(delayMs, () => {
      cancel = undefined;
      flush().then(arm, (error: unknown) => log.error({ err: error }, 'what devices are cannot be written down'));
    });
  }

  /** When to come again. */
  async function flush(): Promise<number> {
    if (refusalUnlessPrimary(write) !== undefined) {
      waiting.clear();
      return RETRY_MS;
    }
    const taken = [...waiting].slice(0, MAX_TOGETHER);
    const outcome = await commit(write, ACTOR, async transaction => {
      const touched: Touched[] = [];
      for (const [uid, { facts, device }] of taken) {
        const current = await transaction.get('Device', device.name);
        if (facts === undefined || current?.uid !== uid || current.deleted || !matters(current, facts)) continue;
        await transaction.put('Device', current.name, { ...current.body }, { ...current.system, facts });
        touched.push({ kind: 'Device', name: current.name, change: 'updated' });
      }
      return { result: undefined, touched };
    });
    if (!outcome.ok) return RETRY_MS;
    for (const [uid, connection] of taken) if (waiting.get(uid) === connection) waiting.delete(uid);
    return GATHER_MS;
  }

  return {
    look(connections) {
      if (site.config().filters.size === 0) return;
      for (const connection of connections) {
        const { device, facts } = connection;
        if (facts !== undefined && matters(device, facts)) waiting.set(device.uid, connection);
      }
      arm(GATHER_MS);
    },
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}

/** As Node gives an address of IPv4 on a socket that takes both. */
const MAPPED = '::ffff:';

/** What a device says of itself, and from where it came: by IPv4 where it did. */
export function factsOf(said: DeviceFacts, address: string | undefined): DeviceFacts {
  if (address === undefined) return said;
  return { ...said, address: address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address };
}
