import type { BundleFile, StatementServer } from '@thinman/protocol';
import type { FileClient, FilePart, FileSource } from '../ports.ts';
import { downloadUrl } from './url-download.ts';

/** Of one answer: half of what the agent takes in at all, so that a slow line loses little with it. */
export const PART_BYTES = 512 * 1024;

/** From the servers of the site, the one in use first; or from a file's URL. */
export function createFileSource(client: FileClient, servers: () => readonly StatementServer[]): FileSource {
  return (file, from, signal) =>
    file.url === undefined ? ofSite(file, from, signal) : ofUrl(file, file.url, from, signal);

  /** Of several files of a section it says which. */
  async function* ofUrl(file: BundleFile, url: string, from: number, signal: AbortSignal): AsyncGenerator<FilePart> {
    try {
      yield* downloadUrl(url, from, { signal });
    } catch (error) {
      const why = error instanceof Error ? error.message : 'unknown';
      throw new Error(`${file.name} could not be fetched: ${why}`, { cause: error });
    }
  }

  async function* ofSite(file: BundleFile, from: number, signal: AbortSignal): AsyncGenerator<FilePart> {
    for (let at = from; at < file.bytes; ) {
      const part = await partOf(file, at, signal);
      yield part;
      at = part.from + part.bytes.length;
    }
  }

  async function partOf(file: BundleFile, from: number, signal: AbortSignal): Promise<FilePart> {
    let why = 'no server is known';
    const to = Math.min(from + PART_BYTES, file.bytes) - 1;
    for (const server of servers()) {
      const answer = await client.file(server, file.sha256, { from, to }, signal);
      if (answer.kind === 'ok') {
        const { bytes } = answer.value;
        // A part that leads no further would be asked for again and again.
        if (answer.value.from + bytes.length > from) return answer.value;
        why = 'a server gives less of it than there is';
        continue;
      }
      why = answer.kind === 'problem' ? (answer.problem.detail ?? answer.problem.title) : 'no server answers';
      if (signal.aborted) break;
    }
    throw new Error(`${file.name} could not be fetched: ${why}`);
  }
}
