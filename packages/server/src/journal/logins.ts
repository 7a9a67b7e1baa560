import type Database from 'better-sqlite3';
import type { RememberedLogin } from '../ports.ts';

/** What was answered to a loginId, so that a repeat is given it again. */
export function prepareLogins(handle: Database.Database) {
  // The first answer to a loginId stands.
  const remember = handle.prepare(
    `INSERT INTO logins (loginId, binding, outcome, epoch, generation, retryAfterMs, atMs) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (loginId) DO NOTHING`,
  );
  const byId = handle.prepare<
    unknown[],
    { binding: string; outcome: string; epoch: number; generation: number; retryAfterMs: number | null }
  >('SELECT binding, outcome, epoch, generation, retryAfterMs FROM logins WHERE loginId = ?');
  return {
    remember({ loginId, binding, outcome, subject, retryAfterMs }: RememberedLogin, nowMs: number): void {
      remember.run(loginId, binding, outcome, subject.epoch, subject.generation, retryAfterMs ?? null, nowMs);
    },
    remembered(loginId: string): RememberedLogin | undefined {
      const row = byId.get(loginId);
      if (row === undefined) return undefined;
      const { binding, outcome, epoch, generation, retryAfterMs } = row;
      const login = { loginId, binding, outcome, subject: { epoch, generation } };
      return retryAfterMs === null ? login : { ...login, retryAfterMs };
    },
  };
}
