import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { BundleFile, StatementServer } from '@thinman/protocol';
import type { FileClient, FilePart, FileSource } from '../ports.ts';

/** Of one answer: half of what the agent takes in at all, so that a slow line loses little with it. */
export const PART_BYTES = 512 * 1024;
const OK = 200;
const PARTIAL = 206;

/** From the servers of the site, the one in use first; or from a file's URL, by the certificates that this machine trusts. */
export function createFileSource(client: FileClient, servers: () => readonly StatementServer[]): FileSource {
  return (file, from, signal) => (file.url === undefined ? ofSite(file, from, signal) : ofUrl(file.url, from, signal));

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
      if (answer.kind === 'ok' && answer.value.bytes.length > 0) return answer.value;
      why = answer.kind === 'problem' ? (answer.problem.detail ?? answer.problem.title) : 'no server answers';
      if (signal.aborted) break;
    }
    throw new Error(`${file.name} could not be fetched: ${why}`);
  }
}

async function* ofUrl(url: string, from: number, signal: AbortSignal): AsyncGenerator<FilePart> {
  const sent = request(url, { signal, headers: from === 0 ? {} : { range: `bytes=${from}-` } });
  const answer = once(sent, 'response');
  sent.on('error', () => {});
  sent.end();
  const [response] = (await answer) as [IncomingMessage];
  const { statusCode } = response;
  if (statusCode !== OK && statusCode !== PARTIAL) {
    response.destroy();
    throw new Error(`${new URL(url).host} answers ${statusCode}`);
  }
  let at = statusCode === PARTIAL ? from : 0;
  for await (const chunk of response) {
    const bytes = chunk as Uint8Array;
    yield { from: at, bytes };
    at += bytes.length;
  }
}
