import { readFileSync } from 'node:fs';
import { AgentMode, LoginName, parseJson, Uuid } from '@thinman/protocol';
import Type from 'typebox';
import { removeFile, writeFileAtomic } from '../atomic-file.ts';
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
 * must not come back.
 */
export function sessionFile(
  path: string,
  onDefect: (error: unknown) => void,
  bootId: () => string = readBootId,
): SessionStore {
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
      try {
        if (session === undefined) return removeFile(path);
        writeFileAtomic(path, `${JSON.stringify({ boot: bootId(), session })}\n`, FILE_MODE);
      } catch (error) {
        onDefect(error);
        if (session === undefined) return;
        try {
          removeFile(path);
        } catch (again) {
          onDefect(again);
        }
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
