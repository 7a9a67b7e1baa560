import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type ActivateAt,
  type AssignmentBody,
  canonicalJson,
  type EffectiveAnswer,
  type EffectiveChange,
  type IfAppliedAnswer,
  type IfAppliedRequest,
  isObjectKind,
  OBJECT_KINDS,
  type RolloutSystem,
  SITE_SETTINGS_NAME,
  type SiteSettingsBody,
  type UserBody,
} from '@thinman/protocol';
import { isOver, readRollout, subjectOf } from '../core/rollout.ts';
import { systemWith } from '../core/sealed.ts';
import { createStagedIndex, isActive, isStagedKind, momentText, STAGED_KINDS } from '../core/staged-index.ts';
import { momentOf } from '../core/wall-time.ts';
import { offlineRules } from '../device-plane/offline-rules.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { StoredObject } from '../ports.ts';
import type { AdminDeps } from './admin-deps.ts';
import { planWithoutPasswords, warningsOf } from './apply.ts';
import { type EffectiveSite, effectiveAt, shown } from './effective.ts';
import { didYouMean } from './nearest.ts';
import type { PlannedObject } from './plan-apply.ts';
import { planDelete } from './plan-delete.ts';
import { replicaReader } from './site-view.ts';
import { somewhere, type UserPlace, userPlaces } from './user-places.ts';

/** Looked at in one turn: some ten milliseconds; devices are answered in between. */
const AT_A_TIME = 50;
/** Told one by one; beyond, counted. */
const MAX_TOLD = 200;

/** A device or a user, before and after; undefined: not there. */
type Pair = { readonly before: StoredObject | undefined; readonly after: StoredObject | undefined };
type Sites = { readonly before: EffectiveSite; readonly after: EffectiveSite };

/**
 * What an apply of these objects would change, on which devices and for which users, before anything is done. On any server, by
 * its replica. Users are looked at by themselves, and in each place where a changed assignment asks for a user *and* a device.
 */
export async function ifApplied(
  deps: AdminDeps,
  { objects, deleted = [], device, user }: IfAppliedRequest,
): Promise<Outcome<IfAppliedAnswer>> {
  const answer = (told: IfAppliedAnswer) => done(shown(told));
  const planned = await planWithoutPasswords(deps, objects);
  if (!planned.ok) return planned;
  const written = planned.value.filter(({ change }) => change !== 'unchanged');
  const removed = await planRemovals(deps, deleted, written);
  if (!removed.ok) return removed;
  const items: readonly Change[] = [...written, ...removed.value];
  const foreseen = foresee(deps, items);
  const sites = sitesOf(deps, foreseen.items);
  const warnings = warningsOf(planned.value, deps.clock.nowMs());
  const later = {
    ...(foreseen.later.length > 0 && { later: [...foreseen.later] }),
    ...(warnings.length > 0 && { warnings: [...warnings] }),
  };
  const changes = [...planned.value, ...removed.value].map(({ kind, name, change }) => ({ kind, name, change }));
  const devices = pairsOf(deps, 'Device', items);
  const users = pairsOf(deps, 'User', items);
  if (device !== undefined) {
    const here = devices.get(device)?.after;
    const person = user === undefined ? undefined : users.get(user);
    if (here === undefined) return refused('not_found', { detail: `There is no Device "${device}".` });
    if (user !== undefined && person?.after === undefined) {
      return refused('not_found', { detail: `There is no User "${user}".` });
    }
    const pair = { before: devices.get(device)?.before, after: here };
    const effective = effectiveAt(sites.after, here, person?.after);
    if (user === undefined) {
      return answer({
        changes,
        devices: tally([deviceChange(sites, pair)], 1),
        users: tally([], 0),
        effective,
        ...later,
      });
    }
    const told = userChange(sites, person ?? NOBODY, { on: { device }, ...pair });
    return answer({ changes, devices: tally([], 0), users: tally([told], 1), effective, ...later });
  }
  const { places, leftOut } = userPlaces(sites, foreseen.items);
  const toldDevices = await inTurns([...devices.values()], pair => [deviceChange(sites, pair)]);
  const toldUsers = await inTurns([...users.values()], pair => places.map(place => userChange(sites, pair, place)));
  return answer({
    changes,
    devices: tally(toldDevices, devices.size),
    users: tally(toldUsers, users.size),
    ...(leftOut > 0 && { placesLeftOut: leftOut }),
    ...later,
  });
}

const NOBODY: Pair = { before: undefined, after: undefined };

/** What is written, and what is gone. */
type Change =
  | (PlannedObject & { readonly gone?: undefined })
  | (Pick<StoredObject, 'kind' | 'name' | 'body' | 'system'> & { readonly change: 'deleted'; readonly gone: true });

/** Whether these may be deleted, one after the other, once the others are written. */
async function planRemovals(
  { replica, clock }: AdminDeps,
  deleted: NonNullable<IfAppliedRequest['deleted']>,
  written: readonly PlannedObject[],
): Promise<Outcome<readonly Extract<Change, { gone: true }>[]>> {
  const reader = replicaReader(replica);
  const after = new Map<string, StoredObject | undefined>(
    written.map(({ kind, name, body, system }) => [
      `${kind}/${name}`,
      { uid: '', generation: 0, deleted: false, kind, name, body, system },
    ]),
  );
  const removed: Extract<Change, { gone: true }>[] = [];
  for (const { kind, name } of deleted) {
    if (!isObjectKind(kind)) {
      return refused('bad_request', {
        problems: [
          { field: 'deleted', message: `"${kind}" is no kind of object${didYouMean(kind, OBJECT_KIND_NAMES)}` },
        ],
      });
    }
    const plan = await planDelete(
      { kind, name },
      {
        get: async (of, called) =>
          after.has(`${of}/${called}`) ? after.get(`${of}/${called}`) : await reader.get(of, called),
        list: async of => [
          ...(await reader.list(of)).filter(object => !after.has(`${of}/${object.name}`)),
          ...[...after.values()].flatMap(object => (object?.kind === of ? [object] : [])),
        ],
      },
      replica.site()?.primaryInstance,
      clock.nowMs(),
    );
    if (plan.kind === 'absent') return refused('not_found', { detail: `There is no ${kind} "${name}".` });
    if (plan.kind === 'refused') {
      return refused(plan.code, { detail: 'It could not be deleted.', problems: [...plan.problems] });
    }
    const { body, system } = plan.stored;
    after.set(`${kind}/${name}`, undefined);
    removed.push({ kind, name, body, system, change: 'deleted', gone: true });
  }
  return done(removed);
}

const OBJECT_KIND_NAMES = Object.keys(OBJECT_KINDS);

type Later = NonNullable<IfAppliedAnswer['later']>[number];

/**
 * A rollout and an assignment with a moment change nothing at once: they are shown as they will be in the end, for who applies them
 * wants to know what comes of them.
 */
function foresee(
  { replica, clock }: AdminDeps,
  items: readonly Change[],
): { readonly items: readonly Change[]; readonly later: readonly Later[] } {
  const later: Later[] = [];
  const given: Change[] = [];
  const isOverNow = (moment: ActivateAt) => (momentOf(moment) ?? Number.POSITIVE_INFINITY) <= clock.nowMs();
  const seen = items.map((item): Change => {
    if (item.gone === true) return item;
    const { kind, name, body, system } = item;
    if (kind === 'Assignment' && !isActive(item)) {
      const { activateAt } = body as Required<AssignmentBody>;
      const moment = momentText(activateAt);
      if (!isOverNow(activateAt)) later.push({ kind, name, at: moment });
      return { ...item, system: { ...system, activatedFor: moment } };
    }
    if (kind !== 'Rollout') return item;
    const rollout = readRollout(name, body, system);
    const of = subjectOf(rollout.body.of);
    const subject =
      of && (items.find(one => one.kind === of.kind && one.name === of.name) ?? replica.get(of.kind, of.name));
    if (isOver(rollout) || of === undefined || subject === undefined) return item;
    const { activateAt, to } = rollout.body;
    const waits = activateAt !== undefined && !isOverNow(activateAt);
    later.push({ kind, name, at: waits ? momentText(activateAt) : null });
    const through: RolloutSystem = { ...(rollout.progress ?? UNBEGUN), state: 'finished' };
    given.push({
      ...of,
      body: to,
      system: systemWith(of.kind, to, subject.system, rollout.secrets),
      change: 'updated',
      index: item.index,
    });
    return { ...item, system: { ...system, rollout: through } };
  });
  return { items: [...seen, ...given], later };
}

const UNBEGUN = { stage: 0, stageSince: 0, began: 0, base: 0 } as const;

/** The site now, and as it would be: the index of that is made anew, and thrown away. */
function sitesOf(deps: AdminDeps, items: readonly Change[]): Sites {
  const settings = (deps.replica.get('SiteSettings', SITE_SETTINGS_NAME)?.body ?? {}) as SiteSettingsBody;
  const index = createStagedIndex();
  for (const kind of STAGED_KINDS) for (const object of deps.replica.list(kind)) index.update(object);
  let settingsAfter = settings;
  for (const { kind, name, body, system, gone = false } of items) {
    if (isStagedKind(kind)) index.update({ kind, name, body, system, deleted: gone });
    if (kind === 'SiteSettings') settingsAfter = gone ? {} : (body as SiteSettingsBody);
  }
  return {
    before: { config: deps.config(), configFor: deps.configFor, settings },
    after: { config: index.config, configFor: index.configFor, settings: settingsAfter },
  };
}

function pairsOf({ replica }: AdminDeps, kind: 'Device' | 'User', items: readonly Change[]): Map<string, Pair> {
  const pairs = new Map<string, Pair>(
    replica.list(kind).map(object => [object.name, { before: object, after: object }]),
  );
  for (const item of items) {
    if (item.kind !== kind) continue;
    const before = pairs.get(item.name)?.before;
    if (item.gone === true) {
      pairs.set(item.name, { before, after: undefined });
      continue;
    }
    const after: StoredObject = {
      ...{ uid: '', generation: 0, deleted: false },
      ...before,
      ...{ kind, name: item.name, body: item.body, system: item.system },
    };
    pairs.set(item.name, { before, after });
  }
  return pairs;
}

type Told = { readonly changes: readonly EffectiveChange[] };

function deviceChange(sites: Sites, { before, after }: Pair) {
  const now = before && effectiveAt(sites.before, before, undefined);
  const then = after && effectiveAt(sites.after, after, undefined);
  return { device: after?.name ?? before?.name ?? '', changes: differences(now, then) };
}

function userChange(sites: Sites, { before, after }: Pair, place: UserPlace) {
  const now = before && effectiveAt(sites.before, place.before ?? somewhere, before);
  const then = after && effectiveAt(sites.after, place.after ?? somewhere, after);
  const changes = [...differences(now, then)];
  const rulesNow = now && before && offlineOf(sites.before, before, now);
  const rulesThen = then && after && offlineOf(sites.after, after, then);
  if (rulesNow !== undefined && canonicalJson(rulesNow) !== canonicalJson(rulesThen)) {
    changes.push({ what: 'offline', name: 'offline', before: rulesNow, after: rulesThen ?? null });
  }
  return { user: after?.name ?? before?.name ?? '', on: place.on, changes };
}

function offlineOf({ config, settings }: EffectiveSite, user: StoredObject, effective: EffectiveAnswer) {
  return offlineRules({ config: () => config, settings: () => settings }, user.body as UserBody, effective.settings);
}

/** What a device would be given, beside what it is given: where a value comes from is no change of it. */
function differences(
  before: EffectiveAnswer | undefined,
  after: EffectiveAnswer | undefined,
): readonly EffectiveChange[] {
  const changes: EffectiveChange[] = [];
  const compare = (
    what: EffectiveChange['what'],
    now: ReadonlyMap<string, unknown>,
    then: ReadonlyMap<string, unknown>,
  ) => {
    for (const name of new Set([...now.keys(), ...then.keys()])) {
      const [from, to] = [now.get(name) ?? null, then.get(name) ?? null];
      if (canonicalJson(from) !== canonicalJson(to)) changes.push({ what, name, before: from, after: to });
    }
  };
  compare('setting', valuesOf(before), valuesOf(after));
  compare('connection', connectionsOf(before), connectionsOf(after));
  return changes;
}

function valuesOf(answer: EffectiveAnswer | undefined): ReadonlyMap<string, unknown> {
  const given = Object.entries(answer?.settings ?? {}).filter(([, { leftOut }]) => leftOut === undefined);
  return new Map(given.map(([key, { value }]) => [key, value]));
}

function connectionsOf(answer: EffectiveAnswer | undefined): ReadonlyMap<string, unknown> {
  const connections = (answer?.profile.connections ?? []) as readonly { readonly name: string }[];
  return new Map(connections.map(connection => [connection.name, connection]));
}

async function inTurns<T, R>(all: readonly T[], look: (one: T) => readonly R[]): Promise<readonly R[]> {
  const found: R[] = [];
  for (const [at, one] of all.entries()) {
    if (at % AT_A_TIME === 0) await nextTurn();
    found.push(...look(one));
  }
  return found;
}

function tally<T extends Told & ({ readonly device: string } | { readonly user: string })>(
  looked: readonly T[],
  of: number,
) {
  const affected = looked.filter(({ changes }) => changes.length > 0);
  const names = new Set(affected.map(one => ('user' in one ? one.user : one.device)));
  const items = affected.slice(0, MAX_TOLD).map(one => ({ ...one, changes: [...one.changes] }));
  const more = affected.length - items.length;
  return { affected: names.size, of, items, ...(more > 0 && { more }) };
}
