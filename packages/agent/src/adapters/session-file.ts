import { readFileSync } from 'node:fs';
import { AgentMode, LoginName, parseJson, Uuid } from '@thinman/protocol';
import Type from 'typebox';
import { removeFile, writeFileFlushedLater } from '../atomic-file.ts';
import type { KeptSession } from '../core/state.ts';
import { errorCode } from '../error-code.ts';
import type { SessionStore } from '../ports.ts';
import { readSmallFile, UnfitFile } from '../read-file.ts';

const FILE_MODE = 0o600;
const MAX_FILE_BYTES = 16 * 1024;
/** Another one after each boot of the machine (Linux). */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

const Kept = Type.Object({
  boot: Type.String(),
  session: Type.Object({
    user: LoginName,
    userId: Uuid,
    loginId: Uuid,
    mode: AgentMode,
    sinceWallMs: Type.Integer(),
    credentialVersion: Type.Integer(),
  }),
});

/**
 * Who works here, so that an agent which is started again asks for their password (ADR 0082): a name, ids and a time, and nothing that
 * opens anything. Lost or damaged: nobody does. What cannot be written is told, and is then not there: the person before
 * must not come back. What is written is there for the next start at once; the disk flushes it behind, as only a boot of the machine could
 * lose it, and that ends the session.
 */
export function sessionFile(
  path: string,
  onDefect: (error: unknown) => void,
  bootId: () => string = readBootId,
  write: typeof writeFileFlushedLater = writeFileFlushedLater,
): SessionStore {
  /** Counts what was to be saved: a flush that fails late says nothing of what came after it. */
  let saves = 0;

  /** Written in part, or not known to be on the disk: gone is better. */
  function failed(error: unknown): void {
    onDefect(error);
    try {
      removeFile(path);
    } catch (again) {
      onDefect(again);
    }
  }

  return {
    load() {
      try {
        const parsed = parseJson(Kept, readSmallFile(path, MAX_FILE_BYTES).toString(), MAX_FILE_BYTES);
        if (!parsed.ok) return undefined;
        const { boot, session } = parsed.value;
        return { session, isOfThisBoot: boot === bootId() };
      } catch (error) {
        if (errorCode(error) === undefined) throw error;
        if (error instanceof UnfitFile) onDefect(error);
        return undefined;
      }
    },
    save(session: KeptSession | undefined) {
      const save = ++saves;
      try {
        if (session === undefined) return removeFile(path);
        const text = `${JSON.stringify({ boot: bootId(), session })}\n`;
        write(path, text, FILE_MODE).catch(error => (save === saves ? failed(error) : onDefect(error)));
      } catch (error) {
        if (session === undefined) onDefect(error);
        else failed(error);
      }
    },
  };
}

/** Where it cannot be read every start counts as one of the same boot: that asks for a password, and lets nobody in. */
function readBootId(): string {
  try {
    return readFileSync(BOOT_ID, 'utf8').trim();
  } catch {
    return '';
  }
}
