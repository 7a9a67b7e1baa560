import { parseJson } from '@thinman/protocol';
import Type from 'typebox';
import { writeFileAtomic } from '../atomic-file.ts';
import { errorCode } from '../error-code.ts';
import { readSmallFile, UnfitFile } from '../read-file.ts';
import type { AddressStore } from '../runtime/addresses.ts';

const FILE_MODE = 0o600;
/** A list has a handful of servers. */
const MAX_FILE_BYTES = 64 * 1024;
const Urls = Type.Record(Type.String(), Type.String({ pattern: '^https://' }));

/** Where servers last answered. Lost or damaged: nothing is known, and what the statement says is tried alone. */
export function addressFile(path: string, onDefect: (error: unknown) => void): AddressStore {
  return {
    load() {
      try {
        const parsed = parseJson(Urls, readSmallFile(path, MAX_FILE_BYTES).toString(), MAX_FILE_BYTES);
        return parsed.ok ? parsed.value : {};
      } catch (error) {
        if (errorCode(error) === undefined) throw error;
        if (error instanceof UnfitFile) onDefect(error);
        return {};
      }
    },
    save(urls) {
      try {
        writeFileAtomic(path, `${JSON.stringify(urls)}\n`, FILE_MODE);
      } catch (error) {
        onDefect(error);
      }
    },
  };
}
