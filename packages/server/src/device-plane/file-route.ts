import { FILE_PATH } from '@thinman/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FileKeeper } from '../files/file-keeper.ts';
import type { HttpApp } from '../http/codec.ts';
import { type Outcome, refused } from '../http/outcome.ts';

const PARTIAL = 206;
const RANGE_NOT_SATISFIABLE = 416;

/** A content by its hash: whole, or the part that `Range: bytes=FROM-TO` asks for (the rest of one that was cut off). */
export function fileRoute(
  app: HttpApp,
  files: Pick<FileKeeper, 'read'>,
  refuse: (reply: FastifyReply, outcome: Outcome<never>) => FastifyReply,
): void {
  app.get(`${FILE_PATH}:hash`, async (request: FastifyRequest, reply) => {
    const { hash = '' } = request.params as { readonly hash?: string };
    const bytes = await files.read(hash);
    if (bytes === undefined) return refuse(reply, refused('not_found', { detail: 'The site has no such file.' }));
    // Another server may have it: the device asks the next one, or this one again.
    if (bytes === 'not_yet')
      return refuse(reply, refused('not_serving', { detail: 'The file has not arrived here yet.' }));
    reply.header('accept-ranges', 'bytes').header('cache-control', 'no-store').header('etag', `"${hash}"`);
    reply.type('application/octet-stream');
    const range = rangeIn(request.headers.range, bytes.length);
    if (range === undefined) return reply.send(Buffer.from(bytes));
    if (range === 'beyond') {
      return reply.code(RANGE_NOT_SATISFIABLE).header('content-range', `bytes */${bytes.length}`).send();
    }
    const { from, to } = range;
    reply.code(PARTIAL).header('content-range', `bytes ${from}-${to}/${bytes.length}`);
    return reply.send(Buffer.from(bytes.subarray(from, to + 1)));
  });
}

/** One range of bytes; whatever else is asked for is answered with the whole (RFC 9110, 14.2). */
function rangeIn(header: string | undefined, size: number): { from: number; to: number } | 'beyond' | undefined {
  const match = /^bytes=(\d{1,12})-(\d{0,12})$/.exec(header ?? '');
  if (match === null) return undefined;
  const from = Number(match[1]);
  const to = Math.min(match[2] === '' ? size - 1 : Number(match[2]), size - 1);
  return from > to ? 'beyond' : { from, to };
}
