import {
  ApplyAnswer,
  type ApplyChange,
  DeleteAnswer,
  isObjectKind,
  MAX_ADMIN_BODY_BYTES,
  type ObjectKind,
  TokenAnswer,
  type TokenRequest,
  visible,
} from '@thinman/protocol';
import { withoutSecrets } from '../../admin-plane/secrets.ts';
import type { AdminClient } from './admin-client.ts';
import { bodyDifference } from './body-difference.ts';
import { CommandError, EXIT, exitCodeOf, RefusedByServer, refusalLines } from './command-error.ts';
import type { FileObject } from './documents.ts';
import { type Format, toJson, toYaml } from './format.ts';
import { oneObject } from './read-commands.ts';

/** Passwords cost two Argon2id each on the server, at most: some 5,000 new users of 64 MiB in a quarter of an hour. */
export const APPLY_DEADLINE_MS = 15 * 60_000;

/** `thinman apply -f`: all or nothing. Gives what it changed: for people, or as the server answered. */
export async function applyFiles(
  client: AdminClient,
  objects: readonly FileObject[],
  format: Format = 'table',
): Promise<string> {
  const answer = await sendApply(client, objects, false);
  if (format !== 'table') return printed(answer, format);
  const { changes, epoch, generation, warnings = [] } = answer;
  const lines = changes.filter(({ change }) => change !== 'unchanged').map(describeChange);
  const count = (wanted: ApplyChange['change']) => changes.filter(({ change }) => change === wanted).length;
  const sums = `${count('created')} created, ${count('updated')} updated, ${count('unchanged')} unchanged`;
  const all = [...lines, `generation ${epoch}.${generation}: ${sums}`, ...warningLines(warnings)];
  return all.map(line => `${line}\n`).join('');
}

/** What is to be known of a change that is made, or would be, all the same. */
export const warningLines = (warnings: readonly string[]) => warnings.map(warning => `WARNING: ${visible(warning)}`);

export const printed = (answer: unknown, format: Exclude<Format, 'table'>) =>
  format === 'json' ? toJson(answer) : toYaml([answer]);

/** One object that an apply would change, as it is held and as it would be. No password, and of a secret that it is set. */
type Difference = ApplyChange & {
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>>;
  /** The file gives one. */
  readonly password: boolean;
};

/** `thinman diff -f`: what `apply` would change, field by field; or both bodies of each object. */
export async function diffFiles(
  client: AdminClient,
  objects: readonly FileObject[],
  format: Format = 'table',
): Promise<string> {
  const { changes, warnings = [] } = await sendApply(client, objects, true);
  const items: Difference[] = [];
  for (const [at, change] of changes.entries()) {
    if (change.change === 'unchanged' || !isObjectKind(change.kind)) continue;
    // What the server has planned has the form of an object.
    const { password, ...body } =
      (objects[at]?.value as { readonly body: Record<string, unknown> } | undefined)?.body ?? {};
    const before = change.change === 'created' ? null : (await oneObject(client, change.kind, change.name)).body;
    items.push({ ...change, before, after: withoutSecrets(change.kind, body), password: password !== undefined });
  }
  if (format !== 'table') return printed({ items, ...(warnings.length > 0 && { warnings }) }, format);
  const lines = items.length === 0 ? ['nothing would change'] : items.flatMap(differenceLines);
  return [...lines, ...warningLines(warnings)].map(line => `${line}\n`).join('');
}

function differenceLines(item: Difference): readonly string[] {
  const difference = bodyDifference(item.before ?? {}, item.after);
  return [
    describeChange(item),
    ...difference.map(line => `  ${line}`),
    ...(item.before === null && item.password ? ['  + password'] : []),
    ...(item.before !== null && difference.length === 0 ? ['  ~ password or secret'] : []),
  ];
}

export function describeChange({ change, kind, name }: Record<'change' | 'kind' | 'name', string>): string {
  return `${change.padEnd('unchanged'.length)} ${kind}/${name}`;
}

async function sendApply(client: AdminClient, objects: readonly FileObject[], dryRun: boolean): Promise<ApplyAnswer> {
  const body = { objects: objects.map(({ value }) => value), dryRun };
  if (Buffer.byteLength(JSON.stringify(body)) > MAX_ADMIN_BODY_BYTES) {
    throw new CommandError(EXIT.misuse, 'these files are too large for one apply: apply them in parts');
  }
  return naming(objects, () =>
    client.ask(ApplyAnswer, { method: 'POST', path: '/apply', body, deadlineMs: APPLY_DEADLINE_MS }),
  );
}

/** A refusal names the places in the files. */
export async function naming<T>(objects: readonly FileObject[], ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof RefusedByServer)) throw error;
    const where = (index: number, field: string) => objects[index]?.where(field) ?? '';
    throw new CommandError(exitCodeOf(error.problem), ...refusalLines(error.problem, where));
  }
}

/** `thinman delete KIND NAME`; with a generation, only as it was read then. */
export async function deleteObject(
  client: AdminClient,
  kind: ObjectKind,
  name: string,
  readAt: number | undefined,
): Promise<string> {
  const query = readAt === undefined ? '' : `?generation=${readAt}`;
  const path = `/objects/${kind}/${encodeURIComponent(name)}${query}`;
  const answer = await client.ask(DeleteAnswer, { method: 'DELETE', path });
  const { epoch, generation, secretsToChange: secrets = [] } = answer;
  const lines = [`deleted ${kind}/${name}`, `generation ${epoch}.${generation}`];
  if (secrets.length > 0) {
    lines.push('That server could read these secrets. Change them where they come from, then apply them here:');
    lines.push(...secrets.map(secret => `  ${secret.kind}/${visible(secret.name)} ${secret.field}`));
  }
  return `${lines.join('\n')}\n`;
}

/** `thinman token device|server`, `thinman device reenroll`: the token, alone. */
export async function makeToken(client: AdminClient, request: TokenRequest): Promise<string> {
  const { token } = await client.ask(TokenAnswer, { method: 'POST', path: '/tokens', body: request });
  return `${token}\n`;
}
