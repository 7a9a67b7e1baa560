import {
  type AssignmentBody,
  type AssignmentFilter,
  type DeviceFacts,
  flattenSettings,
  type ObjectKind,
  type PolicyBody,
  type ProfileBody,
  SETTINGS,
} from '@thinman/protocol';

// Resolution again, slow and plain: every assignment is looked at, nothing is indexed, and no code is shared with the server.

export type PlainObject = { readonly kind: ObjectKind; readonly name: string; readonly body: Record<string, unknown> };

export type PlainSubject = {
  readonly device: {
    readonly name: string;
    readonly group?: string;
    readonly attributes?: Readonly<Record<string, string>>;
    readonly facts?: DeviceFacts;
  };
  readonly user?: { readonly name: string; readonly groups: readonly string[] };
};

/** By key: the value, and the assignments that gave it. */
export type Answer = Record<string, { value: unknown; from: string[] }>;

/** Strength as a list of numbers, compared from the left. */
type Strength = readonly [level: number, depth: number, conjunction: number, priority: number];
type Said = { readonly name: string; readonly strength: Strength; readonly body: AssignmentBody };

export function referenceSettings(objects: readonly PlainObject[], subject: PlainSubject): Answer {
  const answer: Answer = {};
  for (const [key, { scope, merge }] of SETTINGS) {
    const words: { said: Said; value: unknown; enforced: boolean }[] = [];
    for (const said of whatIsSaid(objects, subject)) {
      const policy = find(objects, 'Policy', said.body.policy) as PolicyBody | undefined;
      if (policy === undefined) continue;
      const values = flattenSettings(policy.settings).known;
      if (!values.has(key)) continue;
      const ofDevice = scope === 'device' || policy.scope === 'device';
      const ofUser = scope === 'user' || policy.scope === 'user';
      if (ofDevice && (ofUser || said.strength[0] >= 4)) continue;
      if (ofUser && subject.user === undefined) continue;
      words.push({ said, value: values.get(key), enforced: (policy.enforced ?? []).includes(key) });
    }
    if (words.length === 0) continue;
    const enforced = words.filter(word => word.enforced);
    if (enforced.length > 0) {
      const weakest = enforced[0]?.said.strength ?? [];
      const sameLevel = enforced.filter(({ said }) => [0, 1, 2].every(at => said.strength[at] === weakest[at]));
      const winner = sameLevel[sameLevel.length - 1];
      answer[key] = { value: winner?.value, from: [winner?.said.name ?? ''] };
    } else if (merge === 'union') {
      const united: unknown[] = [];
      for (const { value } of words) {
        for (const item of value as unknown[]) {
          if (!united.some(other => sameValue(other, item))) united.push(item);
        }
      }
      answer[key] = { value: united, from: words.map(({ said }) => said.name) };
    } else {
      const last = words[words.length - 1];
      answer[key] = { value: last?.value, from: [last?.said.name ?? ''] };
    }
  }
  return answer;
}

export function referenceConnections(objects: readonly PlainObject[], subject: PlainSubject): Answer {
  const answer: Answer = {};
  for (const said of whatIsSaid(objects, subject)) {
    const profile = find(objects, 'Profile', said.body.profile) as ProfileBody | undefined;
    for (const connection of profile?.connections ?? [])
      answer[connection.name] = { value: connection, from: [said.name] };
  }
  return answer;
}

/** Weakest first. */
function whatIsSaid(objects: readonly PlainObject[], subject: PlainSubject): Said[] {
  const said: Said[] = [];
  for (const object of objects) {
    if (object.kind !== 'Assignment') continue;
    const body = object.body as AssignmentBody;
    const place = placeOf(objects, body.to, subject);
    if (place === undefined || !passes(body.where, subject)) continue;
    said.push({ name: object.name, body, strength: [...place, body.priority ?? 0] });
  }
  return said.sort((a, b) => {
    for (let at = 0; at < a.strength.length; at++) {
      const [mine, theirs] = [a.strength[at] ?? 0, b.strength[at] ?? 0];
      if (mine !== theirs) return mine - theirs;
    }
    return a.name < b.name ? 1 : -1;
  });
}

function placeOf(
  objects: readonly PlainObject[],
  to: AssignmentBody['to'],
  { device, user }: PlainSubject,
): [number, number, number] | undefined {
  const parts: ([number, number] | 'no')[] = [];
  if (to.site) parts.push([1, 0]);
  if (to.deviceGroup)
    parts.push(inGroup(objects, 'DeviceGroup', to.deviceGroup, device.group ? [device.group] : [], 2));
  if (to.device) parts.push(to.device === device.name ? [3, 0] : 'no');
  if (to.userGroup) parts.push(inGroup(objects, 'UserGroup', to.userGroup, user?.groups ?? [], 4));
  if (to.user) parts.push(to.user === user?.name ? [5, 0] : 'no');
  let strongest: [number, number] | undefined;
  for (const part of parts) {
    if (part === 'no') return undefined;
    if (strongest === undefined || part[0] > strongest[0]) strongest = part;
  }
  return strongest && [...strongest, parts.length > 1 ? 1 : 0];
}

function inGroup(
  objects: readonly PlainObject[],
  kind: ObjectKind,
  wanted: string,
  direct: readonly string[],
  level: number,
): [number, number] | 'no' {
  const around = (group: string): string[] => {
    const parent = find(objects, kind, group)?.parent as string | undefined;
    return parent === undefined ? [group] : [group, ...around(parent)];
  };
  if (!direct.some(group => around(group).includes(wanted))) return 'no';
  return [level, around(wanted).length];
}

function passes(where: AssignmentFilter | undefined, { device }: PlainSubject): boolean {
  if (where === undefined) return true;
  const fits = (patterns: readonly string[] | undefined, text: string | undefined) => {
    if (patterns === undefined) return true;
    if (text === undefined) return false;
    return patterns.some(pattern => {
      const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
      return new RegExp(`^${escaped}$`, 'is').test(text);
    });
  };
  const { facts = {}, attributes = {} } = device;
  const bits = (address: string) =>
    address
      .split('.')
      .map(part => Number(part).toString(2).padStart(8, '0'))
      .join('');
  const inSubnet = (where.subnet ?? []).some(subnet => {
    const [network = '', length = '0'] = subnet.split('/');
    return facts.address !== undefined && bits(facts.address).startsWith(bits(network).slice(0, Number(length)));
  });
  if (where.subnet !== undefined && !inSubnet) return false;
  if (!fits(where.model, facts.model) || !fits(where.os, facts.os)) return false;
  return Object.entries(where.attribute ?? {}).every(([name, patterns]) => fits(patterns, attributes[name]));
}

function find(objects: readonly PlainObject[], kind: ObjectKind, name: string | undefined) {
  return objects.find(object => object.kind === kind && object.name === name)?.body;
}

/** Objects are the same whatever the order of their fields. */
function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => sameValue((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  );
}
