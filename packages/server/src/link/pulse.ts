import type { WebSocket } from 'ws';
import type { Clock } from '../ports.ts';

/**
 * Both ends ping: TCP alone would notice a vanished host after a quarter of an hour. A hung Primary is known within 6 s: whether
 * it is there decides about expired passwords, and about events that no journal takes. There are few links: it costs nothing.
 */
export const LINK_PING_INTERVAL_MS = 2_000;
/** Dead after this many intervals without a byte; a process that stands still for a moment (a flush of its disk) is not. */
const MISSED_PINGS = 2;

/** Ends a connection that gives no sign of life. Returns how to stop watching. */
export function watchPulse(socket: WebSocket, clock: Clock, intervalMs = LINK_PING_INTERVAL_MS): () => void {
  let missed = 0;
  const alive = () => {
    missed = 0;
  };
  socket.on('pong', alive).on('ping', alive).on('message', alive);
  const tick = () => {
    missed += 1;
    if (missed > MISSED_PINGS) return socket.terminate();
    if (socket.readyState === socket.OPEN) socket.ping();
    cancel = clock.after(intervalMs, tick);
  };
  let cancel = clock.after(intervalMs, tick);
  return () => cancel();
}
