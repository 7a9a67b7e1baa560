import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import {
  DeleteAnswer,
  DeploymentList,
  DeploymentPage,
  type DeploymentRow,
  DiffAnswer,
  FilePruneAnswer,
  FilePutAnswer,
  MAX_FILE_BYTES,
  RolloutAnswer,
} from '@thinman/protocol';
import type { Command } from 'commander';
import type { AdminClient } from './admin-client.ts';
import { parseCount, parseGeneration } from './arguments.ts';
import type { Asking } from './asking.ts';
import { bodyDifference } from './body-difference.ts';
import { CommandError, EXIT } from './command-error.ts';
import { type Format, parseFormat, toJson, toYaml } from './format.ts';
import { getObjects } from './read-commands.ts';
import { moment, table } from './table.ts';
import { printed } from './write-commands.ts';

/** Devices that wait, and that have it, named in a table: who has failed is what a person looks for. All are in `-o json`. */
const NAMED = 20;
/** The largest file over a slow line. */
const PUT_DEADLINE_MS = 120_000;

/** `thinman deployment`, `file`, `rollout`: how changes reach devices. */
export function addDeploymentCommands(program: Command, asking: Asking): void {
  const output = ['-o, --output <format>', 'table, yaml or json', 'table'] as const;

  const deployment = program.command('deployment').description('who has a change, who not yet, who failed and why');
  deployment
    .command('list')
    .description('the newest commits that may change what devices have')
    .option('--limit <n>', 'at most so many', '20')
    .option(...output)
    .action(
      asking((client, { limit = '20', output: format }) =>
        listDeployments(client, parseCount('--limit', limit), parseFormat(format)),
      ),
    );
  deployment
    .command('show')
    .description('the devices that one commit may concern, and how far they are with it')
    .argument('<generation>')
    .option(...output)
    .action(
      asking((client, { output: format }, [generation = '']) =>
        showDeployment(client, parseGeneration('GENERATION', generation), parseFormat(format)),
      ),
    );

  const file = program.command('file').description('files that policies name: wallpapers, logos, certificates');
  file
    .command('put')
    .description('stores a file of up to 5 MiB under a name; a new content under the same name replaces it')
    .argument('<file>')
    .option('--name <name>', 'the name that policies use; default: that of the file')
    .action(asking((client, { name }, [path = '']) => putFile(client, path, name ?? basename(path))));
  file
    .command('list')
    .description('the files of the site')
    .option(...output)
    .action(asking((client, { output: format }) => getObjects(client, 'File', undefined, parseFormat(format))));
  file
    .command('delete')
    .description('deletes a file that no policy names')
    .argument('<name>')
    .action(
      asking(async (client, _options, [name = '']) => {
        const path = `/objects/File/${encodeURIComponent(name)}`;
        const { epoch, generation } = await client.ask(DeleteAnswer, { method: 'DELETE', path });
        return `File ${name} deleted, generation ${epoch}.${generation}; thinman file prune frees its room\n`;
      }),
    );
  file
    .command('prune')
    .description('removes contents that no file has any more; a rollback to one of them is not possible afterwards')
    .action(
      asking(async client => {
        const { removed } = await client.ask(FilePruneAnswer, { method: 'POST', path: '/files/prune', body: {} });
        return [...removed, `${removed.length} removed`].map(line => `${line}\n`).join('');
      }),
    );

  const rollout = program.command('rollout').description('takes a staged change in hand; it is made by apply');
  rollout
    .command('list')
    .description('the rollouts of the site: how far each is, who has it, who failed, and why it stopped')
    .option(...output)
    .action(asking((client, { output: format }) => getObjects(client, 'Rollout', undefined, parseFormat(format))));
  for (const [name, act, description] of [
    ['pause', 'pause', 'no further stage begins; devices keep what they have'],
    ['resume', 'resume', 'goes on with one that is paused or has stopped'],
    ['advance', 'advance', 'begins the next stage now, whatever devices have told'],
    ['rollback', 'roll_back', 'takes the change back from the devices that have it'],
  ] as const) {
    rollout
      .command(name)
      .description(description)
      .argument('<name>')
      .action(
        asking(async (client, _options, [of = '']) => {
          const path = `/rollouts/${encodeURIComponent(of)}/${act}`;
          const { status, epoch, generation } = await client.ask(RolloutAnswer, { method: 'POST', path, body: {} });
          return `Rollout ${of} ${status.state}, stage ${status.stage + 1}, generation ${epoch}.${generation}\n`;
        }),
      );
  }
}

async function putFile(client: AdminClient, path: string, name: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CommandError(EXIT.misuse, `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (bytes.length > MAX_FILE_BYTES) {
    throw new CommandError(
      EXIT.misuse,
      `${path} has ${bytes.length} bytes, and a site holds at most ${MAX_FILE_BYTES}: put it on a web server, and apply a File with its url, sha256 and bytes`,
    );
  }
  const answer = await client.ask(FilePutAnswer, {
    method: 'PUT',
    path: `/files/${encodeURIComponent(name)}`,
    body: { content: bytes.toString('base64') },
    deadlineMs: PUT_DEADLINE_MS,
  });
  const { change, sha256, epoch, generation } = answer;
  return `File ${name} ${change}: ${answer.bytes} bytes, sha256 ${sha256}, generation ${epoch}.${generation}\n`;
}

async function listDeployments(client: AdminClient, limit: number, format: Format): Promise<string> {
  const { items } = await client.ask(DeploymentList, { path: `/deployments?limit=${limit}` });
  if (format === 'json') return toJson(items);
  if (format === 'yaml') return toYaml(items);
  const rows = items.map(({ generation, at, actor, kinds, applied, pending, failed }) => [
    String(generation),
    moment(at),
    actor,
    Object.entries(kinds)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', '),
    String(applied),
    String(pending),
    String(failed),
  ]);
  return table(['GENERATION', 'AT', 'BY', 'WHAT', 'TOLD APPLIED', 'PENDING', 'FAILED'], rows);
}

async function showDeployment(client: AdminClient, generation: number, format: Format): Promise<string> {
  const rows: DeploymentRow[] = [];
  let first: DeploymentPage | undefined;
  for (let after: string | null = ''; after !== null; ) {
    const query = after === '' ? '' : `?${new URLSearchParams({ after })}`;
    const page: DeploymentPage = await client.ask(DeploymentPage, { path: `/deployments/${generation}${query}` });
    first ??= page;
    rows.push(...page.items);
    after = page.next;
  }
  if (first === undefined) return '';
  const { items: _items, next: _next, ...change } = first;
  const counts = { applied: 0, pending: 0, failed: 0, waiting: 0 };
  for (const { state } of rows) counts[state]++;
  if (format === 'json') return toJson({ ...change, counts, devices: rows });
  if (format === 'yaml') return toYaml([{ ...change, counts, devices: rows }]);
  const what = change.objects.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  const sums = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
  const head = `generation ${generation} of ${moment(change.at)} by ${change.actor}: ${what}\n${sums.join(', ')}\n`;
  const some = (wanted: DeploymentRow['state']) => rows.filter(({ state }) => state === wanted).slice(0, NAMED);
  const shown = [
    ...rows.filter(({ state }) => state === 'failed' || state === 'pending'),
    ...some('waiting'),
    ...some('applied'),
  ];
  if (shown.length === 0) return head;
  const lines = shown.map(row => [row.device, row.user ?? '', row.state, whyOf(row)]);
  const more = rows.length - shown.length;
  return `${head}\n${table(['DEVICE', 'USER', 'STATE', 'WHY'], lines)}${more > 0 ? `${more} more are not named: -o json has all\n` : ''}`;
}

/** What a person may want to know of a row; who waits without ever having told of anything may have done so before an update. */
export function whyOf({ sections, state, generation, at }: DeploymentRow): string {
  if (state === 'waiting') {
    if (generation === null || at === null) return 'not reported yet since it was enrolled, or the site was updated';
    return `last reported generation ${generation}, at ${moment(at)}`;
  }
  return Object.entries(sections)
    .map(([name, result]) => {
      if (result.result === 'failed') return `${name}: ${result.why}`;
      return result.result === 'pending' ? `${name}: until ${result.until}` : name;
    })
    .join('; ');
}

/** `thinman diff --generation A B`: what lies between two generations of the site. */
export async function diffGenerations(
  client: AdminClient,
  { from, to, format }: { readonly from: number; readonly to: number; readonly format: Format },
): Promise<string> {
  const answer = await client.ask(DiffAnswer, {
    path: `/diff?${new URLSearchParams({ from: String(from), to: String(to) })}`,
  });
  if (format !== 'table') return printed(answer, format);
  const { items, more } = answer;
  const lines = items.flatMap(({ kind, name, before, after }) => {
    const word = before === null ? 'created' : after === null ? 'deleted' : 'updated';
    return [`${kind} ${name} ${word}`, ...bodyDifference(before ?? {}, after ?? {})];
  });
  if (more) lines.push('there is more: ask for fewer generations');
  return lines.length === 0 ? 'nothing differs\n' : lines.map(line => `${line}\n`).join('');
}
