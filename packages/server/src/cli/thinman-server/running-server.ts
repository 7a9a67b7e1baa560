import { setTimeout as delay } from 'node:timers/promises';
import { type ExportStatus, JOURNAL_RESERVE_BYTES, type JournalStatus, ServerReport, visible } from '@thinman/protocol';
import { dataFolder, hasConfig } from '../../config.ts';
import { describeMissing } from '../../core/missing.ts';
import { canServeLogin, describeReason, ISOLATED } from '../../core/serving-state.ts';
import { lockFolder } from '../../record/dialects/folder-lock.ts';
import { type AdminClient, connect, STATUS_DEADLINE_MS } from '../thinman/admin-client.ts';
import { CommandError, EXIT } from '../thinman/command-error.ts';
import { databaseInWords } from '../thinman/database-words.ts';
import { directoryInWords } from '../thinman/directory-words.ts';

type Secondary = NonNullable<ServerReport['secondaries']>[number];

type Options = { readonly data: string; readonly json?: true };

/** Devices to move, logins to end, the journal to go out: the sum of their deadlines, and as much again. */
const DRAIN_DEADLINE_MS = 30_000;
const LOOK_INTERVAL_MS = 100;

/** `thinman-server status`: asked of the running server. */
export async function statusCommand(options: Options): Promise<string> {
  const status = await askRunning(options.data, client =>
    client.ask(ServerReport, { path: '/status', deadlineMs: STATUS_DEADLINE_MS }),
  );
  return options.json ? json(status) : inWords(status);
}

/** `thinman-server drain`: returns when the server has stopped. */
export async function drainCommand(options: Options): Promise<string> {
  const status = await askRunning(options.data, client =>
    client.ask(ServerReport, { method: 'POST', path: '/drain', body: {} }),
  );
  const end = performance.now() + DRAIN_DEADLINE_MS;
  while (isInUse(options.data)) {
    if (performance.now() > end) {
      throw new CommandError(EXIT.failed, `${status.name} still drains; look at it with thinman-server status`);
    }
    await delay(LOOK_INTERVAL_MS);
  }
  return options.json ? json(status) : afterDrain(status);
}

/** The running server holds the lock to its very end. */
function isInUse(data: string): boolean {
  const release = lockFolder(dataFolder(data).path);
  release?.();
  return release === undefined;
}

/** Asks the server that runs in this folder, over its admin socket. */
export async function askRunning<T>(data: string, ask: (client: AdminClient) => Promise<T>): Promise<T> {
  const folder = dataFolder(data);
  if (!hasConfig(folder)) {
    throw new CommandError(EXIT.misuse, `${folder.path} is not the data folder of a server; check --data`);
  }
  const client = connect({ kind: 'socket', path: folder.adminSocket, data });
  try {
    return await ask(client);
  } finally {
    await client.close();
  }
}

const json = (status: ServerReport) => `${JSON.stringify(status)}\n`;

/** What a running server says of itself, for people. */
export function inWords(status: ServerReport): string {
  const { why, database, databaseError, missing, journal, link, secondaries = [], directories = [] } = status;
  const { exported, isolated } = status;
  const lag = database.lagMs === 0 ? '' : `, ${database.lagMs} ms behind`;
  return `${[
    `server      ${status.name} (${status.role}), ${status.state}${why === undefined ? '' : `: ${describeReason(why)}`}`,
    `generation  ${status.epoch}.${status.generation}`,
    `database    ${database.kind} ${databaseInWords(status)}${lag}`,
    ...(databaseError === undefined ? [] : [`            ${visible(databaseError.message)}`]),
    ...(missing === undefined || missing.count === 0 ? [] : [`missing     ${describeMissing(missing)}`]),
    ...(link === undefined ? [] : [`link        ${link.connected ? 'to' : 'none to'} the Primary ${link.server}`]),
    ...secondaries.map(secondaryInWords),
    ...directories.map(one => `directory   ${directoryInWords(one)}`),
    ...(isolated === true ? [`writes      ${ISOLATED}`] : []),
    ...(exported === undefined ? [] : [`export      ${exportInWords(exported)}`]),
    `devices     ${status.connectedDevices} connected`,
    `journal     ${status.journalPending} events waiting${journal === undefined ? '' : journalInWords(journal)}`,
    `version     ${status.version} (schema ${status.schema}${otherSchema(status)})`,
  ].join('\n')}\n`;
}

function exportInWords({ complete, file }: ExportStatus): string {
  const where = file === null ? 'nothing had to be exported' : `what it alone has is in ${visible(file)}`;
  if (complete) return where;
  return `not complete yet${file === null ? '' : ` (${where})`}: it needs its database and the new Primary; do not rebuild it before`;
}

function otherSchema({ schema, writesSchema = schema }: ServerReport): string {
  if (schema === writesSchema) return '';
  const words =
    schema < writesSchema ? 'comes when the Primary runs this version' : 'is what it knows: update this server';
  return `; ${writesSchema} ${words}`;
}

/** `status`: as it was when the stop began. */
export function afterDrain(status: ServerReport): string {
  const left = staying(status);
  const words = left === 0 ? '' : ` Thin clients left behind: ${left} (no other server was there to take them).`;
  return `${status.name} has stopped.${words}\n`;
}

/** Thin clients that have nowhere to go when this server stops, as far as it knows. */
function staying({ role, connectedDevices, link, secondaries = [] }: ServerReport): number {
  const hasOther =
    role === 'primary'
      ? secondaries.some(({ linked, state }) => linked && (state === null || canServeLogin(state)))
      : link?.connected === true;
  return hasOther ? 0 : connectedDevices;
}

function secondaryInWords({ name, linked, state, epoch, generation, missing }: Secondary): string {
  // What it has is not known either: it may lack nothing.
  if (state === null && !linked) return `secondary   ${name}, no link, not heard of since this server was started`;
  const lacks = missing.count === 0 ? '' : `; ${describeMissing(missing)}`;
  return `secondary   ${name}, ${linked ? '' : 'no link, last '}${state ?? 'not heard of yet'}, at ${epoch}.${generation}${lacks}`;
}

const MS_PER_MINUTE = 60_000;
const BYTES_PER_MIB = 2 ** 20;

/** Only what is worth a look. */
function journalInWords({ path, pendingBytes, limitBytes, oldestPendingMs, reserveBytes }: JournalStatus): string {
  const minutes = Math.floor(oldestPendingMs / MS_PER_MINUTE);
  const missingReserve = reserveBytes < JOURNAL_RESERVE_BYTES;
  return [
    minutes > 0 ? `, the oldest for ${minutes} min` : '',
    2 * pendingBytes > limitBytes ? `, ${Math.round((100 * pendingBytes) / limitBytes)} % of what may wait` : '',
    missingReserve ? `, ${Math.floor(reserveBytes / BYTES_PER_MIB)} MiB kept for a full disk` : '',
    path === 'direct' ? '; it takes none now, they go straight to the source of record' : '',
    path === 'nowhere' ? '; events can be written down nowhere: no login is granted' : '',
  ].join('');
}
