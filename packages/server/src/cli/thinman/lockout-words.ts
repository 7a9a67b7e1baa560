import type { ShownLockout } from '@thinman/protocol';
import { moment } from './table.ts';

/** `on tc-7 until 2027-01-31 12:00:00Z`. */
export function describeLockout({ device, code, until }: ShownLockout): string {
  const where = device === null ? 'on devices without a login of the last days' : `on ${device}`;
  const who = code === 'too_many_attempts' ? ', for everybody there' : '';
  return `${where} until ${moment(until)}${who}`;
}
