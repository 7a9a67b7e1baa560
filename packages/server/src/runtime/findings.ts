import type { Logger } from 'pino';
import type { DatabaseFinding } from '../record/errors.ts';

/** Once each, however many handles and connections come upon it. */
export function tellFindings(log: Pick<Logger, 'warn'>): (where: string, finding: DatabaseFinding) => void {
  const told = new Set<string>();
  return (where, { what, mend }) => {
    const words = `something to mend in the database: ${what}`;
    if (told.has(`${where} ${words}`)) return;
    told.add(`${where} ${words}`);
    log.warn({ database: where, sql: mend }, words);
  };
}
