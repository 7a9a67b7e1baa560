import { parseJson, SectionResults } from '@thinman/protocol';
import Type from 'typebox';
import { writeFileAtomic } from '../atomic-file.ts';
import { errorCode } from '../error-code.ts';
import { readSmallFile, UnfitFile } from '../read-file.ts';
import type { TrialRecord } from './network-trial.ts';
import type { Told } from './reporting.ts';

const FILE_MODE = 0o600;
/** Far above what a device writes: 20 sections of 500 characters, and its network settings. */
const MAX_FILE_BYTES = 1024 * 1024;

const ApplyState = Type.Object({
  network: Type.Optional(
    Type.Object({
      confirmed: Type.String(),
      refused: Type.Union([
        Type.Null(),
        Type.Object({
          digest: Type.String(),
          why: Type.Union([Type.Literal('no_answer'), Type.Literal('not_applied')]),
        }),
      ]),
    }),
  ),
  told: Type.Optional(Type.Object({ etag: Type.String(), sections: SectionResults })),
});

/** What must be known of policies after a restart. Where the file is lost or damaged, everything is tried and told again. */
export type ApplyStateFile = {
  told(): Told | undefined;
  setTold(told: Told): void;
  network(): TrialRecord | undefined;
  setNetwork(network: TrialRecord): void;
};

export function openApplyState(path: string, onDefect: (error: unknown) => void): ApplyStateFile {
  let state = read(path, onDefect);
  const write = () => {
    try {
      writeFileAtomic(path, `${JSON.stringify(state)}\n`, FILE_MODE);
    } catch (error) {
      onDefect(error); // a full disk: told once more after the next start
    }
  };
  return {
    network: () => state.network,
    setNetwork(network) {
      state = { ...state, network };
      write();
    },
    told: () => state.told,
    setTold(told) {
      state = { ...state, told };
      write();
    },
  };
}

function read(path: string, onDefect: (error: unknown) => void): Type.Static<typeof ApplyState> {
  try {
    const parsed = parseJson(ApplyState, readSmallFile(path, MAX_FILE_BYTES).toString(), MAX_FILE_BYTES);
    return parsed.ok ? parsed.value : {};
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    if (error instanceof UnfitFile) onDefect(error);
    return {};
  }
}
