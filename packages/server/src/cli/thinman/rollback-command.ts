import { HistoryAnswer, type ObjectKind, RollbackAnswer, type RollbackKept, ServerStatus } from '@thinman/protocol';
import { ROLLED_BACK } from '../../admin-plane/plan-rollback.ts';
import { type AdminClient, STATUS_DEADLINE_MS } from './admin-client.ts';
import { bodyDifference } from './body-difference.ts';
import { CommandError, EXIT } from './command-error.ts';
import type { Format } from './format.ts';
import { historyPath } from './read-commands.ts';
import { APPLY_DEADLINE_MS, applyFiles, describeChange, diffFiles, printed } from './write-commands.ts';

/** Of what stays as it is now, so much is listed; the rest is counted. */
const MAX_KEPT_LISTED = 50;

/** What is gone back to, and how it is said. */
type Target = { readonly to: number; readonly dryRun: boolean; readonly format: Format };

/** `thinman rollback KIND NAME --to GENERATION`: writes what it was then; a password stays what it is now. */
export async function rollbackObject(
  client: AdminClient,
  kind: ObjectKind,
  name: string,
  { to, dryRun, format }: Target,
): Promise<string> {
  const { items } = await client.ask(HistoryAnswer, { path: historyPath(kind, name) });
  const now = await client.ask(ServerStatus, { path: '/status', deadlineMs: STATUS_DEADLINE_MS });
  if (to > now.generation) {
    throw new CommandError(EXIT.misuse, `there is no generation ${to} yet: the site is at ${now.generation}`);
  }
  const then = items.find(({ generation }) => generation <= to);
  if (then === undefined || then.body === null) {
    throw new CommandError(
      EXIT.misuse,
      `${kind} "${name}" did not exist at generation ${to}: thinman history ${kind} ${name} shows when it did`,
    );
  }
  const value = { kind, name, body: then.body };
  const where = (field: string) => `as of generation ${then.generation}${field === '' ? '' : `, ${field}`}`;
  const said = await (dryRun ? diffFiles : applyFiles)(client, [{ value, where }], format);
  const comesBack = kind === 'User' && items[0]?.body === null;
  return comesBack && format === 'table'
    ? `${said}User "${name}" has no password now: apply one, or roll back the site\n`
    : said;
}

/** `thinman rollback --site --to GENERATION`: everything that administrators wrote, in one commit. */
export async function rollbackSite(client: AdminClient, { to, dryRun, format }: Target): Promise<string> {
  const answer = await client.ask(RollbackAnswer, {
    method: 'POST',
    path: '/rollback',
    body: { to, dryRun },
    deadlineMs: APPLY_DEADLINE_MS,
  });
  if (format !== 'table') return printed(answer, format);
  const { changes, kept, epoch, generation } = answer;
  const lines = changes.flatMap(change => [
    describeChange(change),
    ...bodyDifference(change.now ?? {}, change.before ?? {}).map(line => `  ${line}`),
  ]);
  const count = (wanted: RollbackAnswer['changes'][number]['change']) =>
    changes.filter(({ change }) => change === wanted).length;
  const sums = `${count('created')} created, ${count('updated')} updated, ${count('deleted')} deleted, ${kept.length} kept`;
  const sum = dryRun
    ? `would be as of generation ${to}: ${sums}`
    : `generation ${epoch}.${generation}, as of ${to}: ${sums}`;
  const scope = `Rolled back: ${ROLLED_BACK.join(', ')}, and what is written of devices. Never: administrators, servers, tokens, keys, who is revoked; passwords stay what they are, and a user who comes back has the last one.`;
  return [...lines, ...keptLines(kept), sum, scope].map(line => `${line}\n`).join('');
}

function keptLines(kept: readonly RollbackKept[]): readonly string[] {
  const more = kept.length - MAX_KEPT_LISTED;
  const lines = kept.slice(0, MAX_KEPT_LISTED).map(({ kind, name, why }) => {
    return `${describeChange({ change: 'kept', kind, name })}: ${why}`;
  });
  return more > 0 ? [...lines, `kept      ${more} more`] : lines;
}
