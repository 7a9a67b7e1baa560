import { execFile } from 'node:child_process';

export type ReadinessWord = 'READY=1' | 'STOPPING=1';

/** systemd waits for the word, not for the helper: a hung one is ended. */
const NOTIFY_DEADLINE_MS = 2_000;

/**
 * Tells systemd (`Type=notify`, sd_notify(3)) where the start or the stop stands. Node has no datagram sockets of the Unix
 * kind, so the word goes through systemd's own helper, which needs `NotifyAccess=all` in the unit. Without systemd it does nothing.
 */
export async function notifySystemd(word: ReadinessWord, environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  if (environment.NOTIFY_SOCKET === undefined || environment.NOTIFY_SOCKET === '') return;
  await new Promise<void>(resolve => {
    const args = [`--pid=${process.pid}`, word];
    execFile('systemd-notify', args, { timeout: NOTIFY_DEADLINE_MS, env: environment }, () => resolve());
  });
}
