import type { Logger } from 'pino';
import type { DevicePlane } from '../device-plane/device-plane.ts';
import type { SiteHttp } from '../http/app.ts';
import type { HttpApp } from '../http/codec.ts';
import type { Drain } from '../journal/drain.ts';
import type { Clock } from '../ports.ts';
import { withinDeadline } from './within-deadline.ts';

/** A device connects elsewhere before it leaves: 1.5 s at the least, and not all of them at once. */
const DEVICES_MOVE_DEADLINE_MS = 5_000;
const DEVICES_LOOK_INTERVAL_MS = 50;
/** Requests in flight: no agent waits longer than 4 s for a login (`failover.md`). */
const IN_FLIGHT_DEADLINE_MS = 5_000;
/** What is still in the journal then is on disk, and goes out after the next start. */
const FLUSH_DEADLINE_MS = 3_000;

export type StoppingServer = {
  /** From now on it says `draining`, and takes nothing new. */
  readonly announceDrain: () => void;
  readonly devices: Pick<DevicePlane, 'goaway' | 'connectedCount' | 'close'>;
  /** Whether devices have somewhere to go, as far as is known here. */
  readonly hasSuccessor: () => boolean;
  readonly https: Pick<SiteHttp, 'app'>;
  readonly local: HttpApp;
  /** The last event of its own. */
  readonly sayStopped: () => Promise<unknown>;
  readonly outflow: Drain;
  /** The journal can be emptied now: the source of record, or the Primary, is there. */
  readonly wayIsOpen: () => boolean;
  /** In the journal, and not in the source of record. */
  readonly eventsWaiting: () => number;
  /** Stops what works by itself: link, sync, timers. */
  readonly stopWorkers: () => Promise<unknown>;
  readonly closeStores: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
};

/** From `goaway` to the last file closed. Each step has its own deadline, so the whole has one. */
export async function stopInOrder(server: StoppingServer): Promise<void> {
  const { devices, https, local, outflow, clock, log } = server;
  log.info({ devices: devices.connectedCount() }, 'a planned stop begins');
  server.announceDrain();
  devices.goaway();
  const hasSuccessor = server.hasSuccessor();
  if (hasSuccessor) await devicesToMove(devices, clock);
  const left = devices.connectedCount();
  if (left > 0) {
    log.warn(
      { devices: left },
      hasSuccessor ? 'devices have not moved in time' : 'devices stay behind: no other server',
    );
  }
  devices.close();
  await withinDeadline(clock, https.app.close(), IN_FLIGHT_DEADLINE_MS);
  https.app.server.closeAllConnections();
  await server.sayStopped();
  if (server.wayIsOpen()) await outflow.flush(FLUSH_DEADLINE_MS);
  const waiting = server.eventsWaiting();
  if (waiting > 0) log.warn({ events: waiting }, 'events stay in the journal: they go out after the next start');
  await withinDeadline(clock, Promise.all([outflow.stop(), server.stopWorkers()]), FLUSH_DEADLINE_MS);
  await server.closeStores();
  // Last: while it listens the process lives, and its owner can ask how far the stop has come.
  await local.close();
  log.info('the server has stopped');
}

async function devicesToMove(devices: Pick<DevicePlane, 'connectedCount'>, clock: Clock): Promise<void> {
  const end = clock.monotonicMs() + DEVICES_MOVE_DEADLINE_MS;
  while (devices.connectedCount() > 0 && clock.monotonicMs() < end) {
    await new Promise<void>(resolve => clock.after(DEVICES_LOOK_INTERVAL_MS, resolve));
  }
}
