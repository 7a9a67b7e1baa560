/** How much of what may wait in a journal does wait, in percent; 0: less than half. */
export type JournalLevel = 0 | 50 | 80;

/** Half: time to look at it. 80 %: hardly time left. */
const LEVELS = [80, 50] as const;
/** A level is left only this far below it, so that one that sways is told once. */
const HYSTERESIS_PERCENT = 10;

export function journalLevel(before: JournalLevel, pendingBytes: number, limitBytes: number): JournalLevel {
  const percent = (100 * pendingBytes) / limitBytes;
  const reached = LEVELS.find(level => percent >= (level <= before ? level - HYSTERESIS_PERCENT : level));
  return reached ?? 0;
}
