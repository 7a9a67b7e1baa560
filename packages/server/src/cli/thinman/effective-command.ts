import {
  type EffectiveAnswer,
  type EffectiveChange,
  EffectiveAnswer as EffectiveSchema,
  IfAppliedAnswer,
} from '@thinman/protocol';
import type { AdminClient } from './admin-client.ts';
import { CommandError, EXIT } from './command-error.ts';
import type { FileObject } from './documents.ts';
import { type Format, toJson, toYaml } from './format.ts';
import { table } from './table.ts';
import { APPLY_DEADLINE_MS, describeChange, naming, warningLines } from './write-commands.ts';

export type EffectiveQuestion = {
  readonly device?: string | undefined;
  readonly user?: string | undefined;
  readonly format: Format;
};

/** `thinman effective`: every value with its origin. */
export async function getEffective(client: AdminClient, { device, user, format }: EffectiveQuestion): Promise<string> {
  if (device === undefined) throw new CommandError(EXIT.misuse, 'name a device: --device NAME');
  const query = new URLSearchParams({ device, ...(user === undefined ? {} : { user }) });
  const answer: EffectiveAnswer = await client.ask(EffectiveSchema, { path: `/effective?${query}` });
  if (format === 'json') return toJson(answer);
  return format === 'yaml' ? toYaml([answer]) : effectiveTable(answer);
}

/** `thinman effective --if-applied`: what files would change, on which devices and for which users. */
export async function getIfApplied(
  client: AdminClient,
  { device, user, format }: EffectiveQuestion,
  objects: readonly FileObject[],
  deleted: readonly string[] = [],
): Promise<string> {
  if (user !== undefined && device === undefined) {
    throw new CommandError(EXIT.misuse, 'name the device as well where a user is named: --device NAME');
  }
  const named = { ...(device !== undefined && { device }), ...(user !== undefined && { user }) };
  const body = {
    objects: objects.map(({ value }) => value),
    ...(deleted.length > 0 && { deleted: deleted.map(kindAndName) }),
    ...named,
  };
  const question = { method: 'POST', path: '/effective', body, deadlineMs: APPLY_DEADLINE_MS } as const;
  const answer = await naming(objects, () => client.ask(IfAppliedAnswer, question));
  if (format === 'json') return toJson(answer);
  return format === 'yaml' ? toYaml([answer]) : differenceLines(answer);
}

function kindAndName(given: string): { readonly kind: string; readonly name: string } {
  const at = given.indexOf('/');
  if (at < 1)
    throw new CommandError(EXIT.misuse, `"${given}" names no object: write KIND/NAME, like Policy/quiet-screens`);
  return { kind: given.slice(0, at), name: given.slice(at + 1) };
}

function differenceLines(answer: IfAppliedAnswer): string {
  const { changes, devices, users, placesLeftOut = 0, later = [], warnings = [] } = answer;
  const lines = changes.filter(({ change }) => change !== 'unchanged').map(describeChange);
  for (const { device, changes: told } of devices.items) lines.push(`device ${device}`, ...told.map(changeLine));
  for (const { user, on, changes: told } of users.items)
    lines.push(`user ${user}${whereOf(on)}`, ...told.map(changeLine));
  lines.push(
    `devices that would change: ${devices.affected} of ${devices.of}${notNamed(devices)}`,
    `users who would see a change: ${users.affected} of ${users.of}${notNamed(users)}`,
  );
  for (const { kind, name, at } of later) {
    const when = kind === 'Rollout' ? `after its last stage${at === null ? '' : `, begun at ${at}`}` : `from ${at}`;
    lines.push(`${kind}/${name} does not count at once: above it is as it will be ${when}`);
  }
  lines.push(...warningLines(warnings));
  if (placesLeftOut > 0) {
    lines.push(`NOT LOOKED AT: users in ${placesLeftOut} more groups or devices; ask with --device NAME --user NAME`);
  }
  return lines.map(line => `${line}\n`).join('');
}

/** The answer is cut off: nobody is to take what is above for everything. */
function notNamed({ more = 0 }: { readonly more?: number }): string {
  return more === 0 ? '' : ` (NOT ALL ARE NAMED ABOVE: ${more} more changes; ask for one with --device NAME)`;
}

function whereOf(on: IfAppliedAnswer['users']['items'][number]['on']): string {
  if (on === null) return '';
  return 'device' in on ? ` on device ${on.device}` : ` on devices of ${on.deviceGroup}`;
}

function changeLine({ what, name, before, after }: EffectiveChange): string {
  const label = what === 'setting' ? name : what === 'offline' ? 'offline login' : `${what} ${name}`;
  const say = (value: unknown) => (value === null ? 'nothing' : JSON.stringify(value));
  return `  ${label}: ${say(before)} → ${say(after)}`;
}

export function effectiveTable({ settings, profile }: EffectiveAnswer): string {
  const rows = Object.entries(settings).map(([key, { value, origin, enforced, overrides, united = [], leftOut }]) => [
    key,
    shortened(value),
    leftOut === undefined ? (enforced ? 'enforced' : '') : 'left out',
    fromWords(origin),
    leftOut ?? (united.length > 1 ? `united with ${weakerWords(united.slice(0, -1))}` : weakerWords(overrides)),
  ]);
  const connections = profile.connections.map(connection => {
    const { name, type } = connection as { name: string; type: string };
    // A connection may be called `toString`.
    const origin = Object.hasOwn(profile.origins, name) ? profile.origins[name] : undefined;
    const overrides = Object.hasOwn(profile.overrides, name) ? profile.overrides[name] : undefined;
    return [name, type, origin === undefined ? '' : fromWords(origin), weakerNames(overrides ?? [])];
  });
  const isCut = rows.some(([, value]) => value?.endsWith(CUT) === true);
  const missing = Object.entries(profile.leftOut ?? {}).map(([name, why]) => [name, 'left out', '', why]);
  return `${table(['SETTING', 'VALUE', '', 'FROM', 'INSTEAD OF'], rows)}\n${table(['CONNECTION', 'TYPE', 'FROM', 'INSTEAD OF'], [...connections, ...missing])}${isCut ? `\n${CUT}: -o yaml has the whole value\n` : ''}`;
}

/** One long list would push where values come from off every screen. */
const VALUE_SHOWN = 60;
const CUT = ' …';

function shortened(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= VALUE_SHOWN ? text : `${text.slice(0, VALUE_SHOWN).toWellFormed()}${CUT}`;
}

type Weaker = EffectiveAnswer['settings'][string]['overrides'];
const fromWords = ({ kind, name, assignment }: Weaker[number]['origin']) => `${kind} ${name} by ${assignment}`;
const weakerWords = (weaker: Weaker) =>
  weaker.map(({ value, origin: of }) => `${shortened(value)} of ${of.name}`).join(', ');
const weakerNames = (weaker: Weaker) => weaker.map(({ origin: of }) => `that of ${of.name}`).join(', ');
