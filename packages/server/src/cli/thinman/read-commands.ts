import {
  HistoryAnswer,
  MAX_PAGE_SIZE,
  type ObjectKind,
  ObjectOutput,
  ObjectPage,
  ServerReport,
  visible,
} from '@thinman/protocol';
import { describeMissing } from '../../core/missing.ts';
import { ISOLATED } from '../../core/serving-state.ts';
import { type AdminClient, STATUS_DEADLINE_MS } from './admin-client.ts';
import { databaseInWords } from './database-words.ts';
import { directoryTable } from './directory-words.ts';
import { type Format, toJson, toYaml } from './format.ts';
import { objectTable } from './object-table.ts';
import { moment, table } from './table.ts';

/** `thinman get KIND [NAME]`: all pages. JSON and YAML have what `apply` takes. */
export async function getObjects(
  client: AdminClient,
  kind: ObjectKind,
  name: string | undefined,
  format: Format,
): Promise<string> {
  const objects = name === undefined ? await allObjects(client, kind) : [await oneObject(client, kind, name)];
  if (format === 'table') return objectTable(kind, objects);
  // Of a rollout its status is what is asked for; of others only the table has it, and what `apply` takes stays what it was.
  const plain = kind === 'Rollout' ? objects : objects.map(({ status: _status, ...object }) => object);
  return format === 'json' ? toJson(plain) : toYaml(plain);
}

export function oneObject(client: AdminClient, kind: ObjectKind, name: string): Promise<ObjectOutput> {
  return client.ask(ObjectOutput, { path: `/objects/${kind}/${encodeURIComponent(name)}` });
}

async function allObjects(client: AdminClient, kind: ObjectKind): Promise<readonly ObjectOutput[]> {
  const all: ObjectOutput[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const query = new URLSearchParams({ limit: String(MAX_PAGE_SIZE), ...(after === '' ? {} : { after }) });
    const page: ObjectPage = await client.ask(ObjectPage, { path: `/objects/${kind}?${query}` });
    all.push(...page.items);
    after = page.next;
  }
  return all;
}

/** `thinman history KIND NAME`: newest first. */
export async function getHistory(client: AdminClient, kind: ObjectKind, name: string, format: Format): Promise<string> {
  const { items } = await client.ask(HistoryAnswer, { path: historyPath(kind, name) });
  if (format === 'json') return toJson(items);
  if (format === 'yaml') return toYaml(items);
  const rows = items.map(({ epoch, generation, at, actor, body }) => [
    String(generation),
    String(epoch),
    moment(at),
    actor,
    body === null ? 'deleted' : JSON.stringify(body),
  ]);
  return table(['GENERATION', 'EPOCH', 'AT', 'BY', 'BODY'], rows);
}

/** All entries that the server gives at once. */
export function historyPath(kind: ObjectKind, name: string): string {
  return `/history/${kind}/${encodeURIComponent(name)}?limit=1000`;
}

/** `thinman status`: the server that was asked; on the Primary, its Secondaries as well. */
export async function getStatus(client: AdminClient, format: Format): Promise<string> {
  const report = await client.ask(ServerReport, { path: '/status', deadlineMs: STATUS_DEADLINE_MS });
  if (format === 'json') return toJson(report);
  if (format === 'yaml') return toYaml([report]);
  const { database, databaseError, missing, secondaries = [], directories = [], isolated } = report;
  const asked = table(
    ['SERVER', 'ROLE', 'STATE', 'GENERATION', 'DATABASE', 'DEVICES', 'EVENTS WAITING'],
    [
      [
        report.name,
        report.role,
        report.state,
        `${report.epoch}.${report.generation}`,
        `${database.kind}${databaseError === undefined && database.reachable ? '' : ` (${databaseInWords(report)})`}${database.lagMs > 0 ? `, ${database.lagMs} ms behind` : ''}`,
        String(report.connectedDevices),
        String(report.journalPending),
      ],
    ],
  );
  const lacks = [
    ...(databaseError === undefined ? [] : [visible(databaseError.message)]),
    ...(isolated === true ? [`administrative writes are ${ISOLATED}`] : []),
    ...(missing === undefined || missing.count === 0 ? [] : [describeMissing(missing)]),
  ]
    .map(line => `${line}\n`)
    .join('');
  const asksDirectories = directories.length === 0 ? '' : `\n${directoryTable(directories)}`;
  if (secondaries.length === 0) return `${asked}${lacks}${asksDirectories}`;
  const rows = secondaries.map(({ name, linked, state, epoch, generation, ...theirs }) => [
    name,
    linked ? 'up' : 'down',
    state ?? 'unknown',
    // Not heard of since this server was started: what it has is not known either.
    state === null && !linked ? 'unknown' : `${epoch}.${generation}`,
    String(theirs.journalPending),
    theirs.version ?? 'unknown',
    theirs.missing.count === 0 || (state === null && !linked) ? '' : describeMissing(theirs.missing),
  ]);
  const header = ['SECONDARY', 'LINK', 'STATE', 'GENERATION', 'EVENTS WAITING', 'VERSION', 'WHAT IT LACKS'];
  return `${asked}${lacks}\n${table(header, rows)}${asksDirectories}`;
}
