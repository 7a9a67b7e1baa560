import { readFileSync } from 'node:fs';
import { parseJson, SectionResults } from '@thinman/protocol';
import Type from 'typebox';
import { writeFileAtomic } from '../atomic-file.ts';
import { errorCode } from '../error-code.ts';
import type { Told } from './reporting.ts';

const FILE_MODE = 0o600;
/** Far above what a device writes: 20 sections of 500 characters, and its network settings. */
const MAX_FILE_BYTES = 1024 * 1024;

const ApplyState = Type.Object({
  told: Type.Optional(Type.Object({ etag: Type.String(), sections: SectionResults })),
});

/** What must be known of policies after a restart. Where the file is lost or damaged, everything is tried and told again. */
export type ApplyStateFile = { told(): Told | undefined; setTold(told: Told): void };

export function openApplyState(path: string, onDefect: (error: unknown) => void): ApplyStateFile {
  let state = read(path);
  const write = () => {
    try {
      writeFileAtomic(path, `${JSON.stringify(state)}\n`, FILE_MODE);
    } catch (error) {
      onDefect(error); // a full disk: told once more after the next start
    }
  };
  return {
    told: () => state.told,
    setTold(told) {
      state = { ...state, told };
      write();
    },
  };
}

function read(path: string): Type.Static<typeof ApplyState> {
  try {
    const parsed = parseJson(ApplyState, readFileSync(path, 'utf8'), MAX_FILE_BYTES);
    return parsed.ok ? parsed.value : {};
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return {};
  }
}
