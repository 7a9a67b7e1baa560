import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DeviceSystem, MADE_ELSEWHERE, type Version } from '@thinman/protocol';
import { stringify } from 'yaml';
import type { Loss } from '../core/losses.ts';
import { writeFileAtomically } from '../identity/key-files.ts';
import type { Clock, ReplicaPosition, StoredObject } from '../ports.ts';

/** Of a commitId: enough to tell the forks of one site. */
const MARK_CHARS = 8;
const markOf = ({ commitId }: Pick<ReplicaPosition, 'commitId'>) => commitId.slice(0, MARK_CHARS);

/** The file in which what was seen up to this commit lies already; undefined: none. */
export function findForkFile(folder: string, position: ReplicaPosition): string | undefined {
  const end = `-${markOf(position)}.yaml`;
  const found = readdirSync(folder).find(name => name.startsWith('fork-') && name.endsWith(end));
  return found && join(folder, found);
}

/**
 * Puts by what is about to go, as `thinman apply -f` takes it: a file that only this user may read, on disk when this returns.
 * Its path. Throws as `node:fs` does.
 */
export function writeForkFile(
  folder: string,
  position: ReplicaPosition,
  losses: readonly Loss[],
  clock: Pick<Clock, 'nowMs'>,
): string {
  const at = new Date(clock.nowMs()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const path = join(folder, `fork-${at}-${markOf(position)}.yaml`);
  writeFileAtomically(path, forkFile(position.version, losses));
  return path;
}

export function forkFile({ epoch, generation }: Version, losses: readonly Loss[]): string {
  const of = (...wanted: readonly Loss['loss'][]) => losses.filter(({ loss }) => wanted.includes(loss));
  const elsewhere = of('missing').filter(({ object }) => MADE_ELSEWHERE.includes(object.kind));
  const documents = of('missing', 'changed').filter(loss => !elsewhere.includes(loss));
  return [
    `# What this server had seen of the site up to ${epoch}.${generation}, and the database that counts now has not.`,
    '# Look at it, take out what is not wanted, then: thinman apply -f THIS-FILE',
    ...comments('Passwords and secrets are not in it. Set them anew for:', withheld(losses)),
    ...comments(
      'Not made by apply. Do this first:',
      elsewhere.map(({ object }) => advice(object)),
    ),
    ...comments(
      'Had been deleted, and is there again:',
      of('deleted').map(({ object }) => `thinman delete ${object.kind} ${object.name}`),
    ),
    ...documents.map(({ object: { kind, name, body } }) =>
      `---\n${stringify({ kind, name, body }, { lineWidth: 0 })}`.trimEnd(),
    ),
    '',
  ].join('\n');
}

function comments(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['#', `# ${title}`, ...lines.map(line => `#   ${line}`)];
}

/** What only servers hold of it: it is never given out. */
const WITHHELD = ['credential', 'passwordHash', 'secrets'];

function withheld(losses: readonly Loss[]): readonly string[] {
  return losses
    .filter(
      ({ object, loss }) => loss === 'system' || (loss !== 'deleted' && WITHHELD.some(key => key in object.system)),
    )
    .map(({ object: { kind, name } }) => `${kind} ${name}`);
}

function advice({ kind, name, body, system }: StoredObject): string {
  if (kind === 'Server')
    return `thinman token server --name ${name} --url ${body.url}; join it by that, in a new data folder`;
  if (kind === 'Device') return `thinman device approve ${(system as DeviceSystem).keyHash} --name ${name}`;
  return `the ${kind} ${name} has to be made anew`;
}
