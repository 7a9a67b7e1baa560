import { connectDeadlineMs, searchDeadlineMs } from './health.ts';
import type { Opening } from './state.ts';
import { emit, newAttempt, patch, type Turn } from './turn.ts';

/** Opens a channel to a server. It counts when the server has said hello; that much time only a herd of devices needs. */
export function openChannel(turn: Turn, server: string): Opening {
  const channel = newAttempt(turn);
  const deadlineMs = connectDeadlineMs(turn, server);
  const { pingIntervalMs } = turn.policy;
  emit(turn, { kind: 'openChannel', channel, server, connectDeadlineMs: deadlineMs, pingIntervalMs });
  return { server, channel, helloBy: turn.at.now + searchDeadlineMs(turn, server) };
}

export function closeChannel(turn: Turn, channel: number): void {
  emit(turn, { kind: 'closeChannel', channel });
}

/** From now on `server` is the one. What waited for a server goes on at once; what nobody waits for, at `from`. */
export function nowConnected(
  turn: Turn,
  { server, channel }: Pick<Opening, 'server' | 'channel'>,
  from?: number,
): void {
  const { now } = turn.at;
  const { session, pulls, delivery } = turn.state;
  patch(turn, {
    connectivity: {
      kind: 'connected',
      since: now,
      server,
      channel,
      move: { kind: 'none' },
      failbackProbeAt: now + turn.policy.failbackProbeMs,
    },
    pulls: {
      device: pulls.device.kind === 'running' ? pulls.device : { kind: 'wanted', from: now },
      user: pulls.user.kind === 'running' ? pulls.user : { kind: 'wanted', from: from ?? now },
    },
    delivery: delivery.kind === 'pending' ? { ...delivery, from: from ?? now } : delivery,
    session:
      session.kind === 'open' && session.standing.kind === 'unproved'
        ? { ...session, standing: { ...session.standing, retryAt: now } }
        : session,
  });
}
