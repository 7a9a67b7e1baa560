import { hash } from 'node:crypto';
import {
  type FieldProblem,
  type FileBody,
  type FilePruneAnswer,
  type FilePutAnswer,
  type FilePutRequest,
  fitsSite,
  MAX_FILE_BYTES,
  newNameProblem,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { CommitTransaction } from '../ports.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';
import type { PlannedObject } from './plan-apply.ts';

/** Stores a content and the File that names it, in one commit: a device never hears of what is not there. */
export async function putFile(
  deps: WriteDeps,
  actor: Actor,
  name: string,
  { content, description }: FilePutRequest,
): Promise<Outcome<FilePutAnswer>> {
  const wrong = newNameProblem(name);
  if (wrong !== undefined)
    return refused('invalid_object', { problems: [{ field: 'name', message: `cannot be used: ${wrong}` }] });
  const bytes = Buffer.from(content, 'base64');
  if (!fitsSite(bytes.length)) {
    return refused('too_large', {
      detail: `The file has ${bytes.length} bytes, and a site holds at most ${MAX_FILE_BYTES}: put it on a web server, and apply a File with its url, sha256 and bytes.`,
    });
  }
  const outcome = await commit(
    deps,
    actor,
    async (transaction): Promise<Work<Pick<FilePutAnswer, 'sha256' | 'change'>>> => {
      const stored = await transaction.get('File', name);
      const said = description ?? (stored?.body as FileBody | undefined)?.description;
      const sha256 = hash('sha256', bytes, 'hex');
      const body: FileBody = { sha256, bytes: bytes.length, ...(said !== undefined && { description: said }) };
      const held = await transaction.hasFile(sha256);
      const before = stored?.body as FileBody | undefined;
      const same = before?.sha256 === sha256 && before.url === undefined && before.description === said;
      if (held && same) return { result: { sha256, change: 'unchanged' as const }, touched: [] };
      if (!held) await transaction.putFile(bytes);
      // The content had gone bad in the database: it is there again, and the File names it as before.
      if (same) return { result: { sha256, change: 'unchanged' as const }, touched: [], write: true };
      await transaction.put('File', name, body, stored?.system ?? {});
      const change = stored === undefined ? ('created' as const) : ('updated' as const);
      return { result: { sha256, change }, touched: [{ kind: 'File', name, change }] };
    },
  );
  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  return done({ ...version, name, bytes: bytes.length, ...result });
}

/** Removes the contents that no File names any more: those of replaced and deleted ones. */
export async function pruneFiles(deps: WriteDeps, actor: Actor): Promise<Outcome<FilePruneAnswer>> {
  const outcome = await commit(deps, actor, async transaction => {
    const files = await transaction.list('File');
    const named = new Set(files.map(({ body }) => (body as FileBody).sha256));
    const removed = (await transaction.files()).filter(sha256 => !named.has(sha256));
    if (removed.length === 0) return { result: removed as readonly string[], touched: [] };
    await transaction.removeFiles(removed);
    return { result: removed, touched: [], write: true };
  });
  if (!outcome.ok) return outcome;
  return done({ ...outcome.value.version, removed: [...outcome.value.result] });
}

/** Files that an apply writes and whose content is nowhere: `apply` has names and hashes, `thinman file put` the content. */
export async function lackingContents(
  transaction: Pick<CommitTransaction, 'hasFile'>,
  items: readonly (Pick<PlannedObject, 'index' | 'kind' | 'name'> & {
    readonly change: string;
    readonly body: Readonly<Record<string, unknown>>;
  })[],
): Promise<readonly FieldProblem[]> {
  const problems: FieldProblem[] = [];
  for (const { kind, name, change, body, index } of items) {
    if (kind !== 'File' || change === 'unchanged') continue;
    const { sha256, url } = body as FileBody;
    if (url !== undefined || (await transaction.hasFile(sha256))) continue;
    const message = `is of a content that the site does not hold: thinman file put FILE --name ${name}, or give its url`;
    problems.push({ index, kind, name, field: 'body.sha256', message });
  }
  return problems;
}
