import { type SqliteTrouble, troubleOf } from '../record/dialects/sqlite-file.ts';

/** Makes room on a full disk; false: there is none to be made, or none would help. */
export type MakeRoom = (trouble: SqliteTrouble) => boolean;

/** Does it, and on a full disk again, for as long as room can be made. */
export function withRoom<T>(makeRoom: MakeRoom, work: () => T): T {
  for (;;) {
    try {
      return work();
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble === undefined || !makeRoom(trouble)) throw error;
    }
  }
}
