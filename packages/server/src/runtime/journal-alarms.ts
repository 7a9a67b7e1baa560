import type { Logger } from 'pino';
import { type JournalLevel, journalLevel } from '../core/journal-level.ts';
import type { JournalTrouble } from '../journal/errors.ts';
import type { ReserveChange } from '../journal/reserve.ts';
import type { Journal } from '../ports.ts';
import type { JournalTurn } from './guarded-journal.ts';

export type JournalAlarmsOptions = {
  readonly journal: Pick<Journal, 'load' | 'onAppended'>;
  /** Writes an event of this server's own; never rejects. */
  readonly tell: (
    type: 'journal.filling' | 'journal.reserve' | 'journal.bypassed',
    data: Record<string, unknown>,
  ) => Promise<unknown>;
  readonly log: Pick<Logger, 'error' | 'info' | 'warn'>;
};

/** What is wrong with where events go is said loudly, and well before the end. */
export type JournalAlarms = {
  turn(turn: JournalTurn): void;
  reserve(change: ReserveChange, bytesLeft: number): void;
  stop(): void;
};

export function createJournalAlarms({ journal, tell, log }: JournalAlarmsOptions): JournalAlarms {
  let level: JournalLevel = 0;
  let isShort = false;

  function lookAtLevel(): void {
    const { pendingBytes, limitBytes } = journal.load();
    const before = level;
    level = journalLevel(before, pendingBytes, limitBytes);
    if (level === before) return;
    const about = { percent: level, pendingBytes, limitBytes };
    if (level < before) return log.info(about, 'the journal has room again');
    log.error(about, 'events wait in the journal and fill it: look at the way to the source of record');
    void tell('journal.filling', about);
  }

  return {
    turn({ path, trouble }) {
      switch (path) {
        case 'journal':
          return log.info('the journal takes events again');
        case 'direct':
          log.error(
            { trouble },
            `the journal takes no events: they go straight to the source of record; ${remedy(trouble)}`,
          );
          return void tell('journal.bypassed', { why: trouble });
        case 'nowhere':
          return log.error({ trouble }, `events can be written down nowhere: no login is granted; ${remedy(trouble)}`);
      }
    },
    reserve(change, bytes) {
      const wasShort = isShort;
      isShort = change !== 'whole';
      switch (change) {
        case 'whole':
          log.info({ bytes }, 'the room that is kept for the journal is there');
          break;
        case 'used':
          log.error({ bytes }, 'the disk is full: the journal goes on with the room that is kept for it');
          break;
        case 'lacking':
          log.warn(
            { bytes },
            'the disk has no room to keep for the journal: when it is full, what went out is kept no 7 days, and what comes goes around it',
          );
          break;
      }
      // That it was made at first is no news.
      if (isShort || wasShort) void tell('journal.reserve', { state: change, bytes });
    },
    stop: journal.onAppended(lookAtLevel),
  };
}

function remedy(trouble: JournalTrouble | undefined): string {
  if (trouble !== 'limit') return 'look at the disk';
  return 'as much waits in it as may: look at the way to the source of record, or raise SiteSettings.server.journalLimitBytes';
}
