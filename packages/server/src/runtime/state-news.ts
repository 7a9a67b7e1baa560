import type { Missing } from '@thinman/protocol';
import type { Logger } from 'pino';
import { describeMissing, shortenMissing } from '../core/missing.ts';
import { describeReason, type Serving } from '../core/serving-state.ts';

/** For whom the site has removed. */
export const REMOVED = describeReason('removed');

/** A change of what a server can do, as a line of its log and an event. */
export function tellOfState(
  { state, why }: Serving,
  { state: before }: Serving,
  {
    missing,
    tell,
    log,
  }: {
    readonly missing: () => Missing;
    readonly tell: (type: string, data: Record<string, unknown>) => Promise<unknown>;
    readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  },
): void {
  const lacks = why === 'lagging' ? { missing: shortenMissing(missing()) } : {};
  const words = lacks.missing === undefined ? '' : `: ${describeMissing(lacks.missing)}`;
  log[state === 'serving' ? 'info' : 'warn']({ state, before, why }, `the state of this server has changed${words}`);
  if (why === 'removed') log.error(REMOVED);
  void tell('server.state', { from: before, to: state, why, ...lacks });
}
