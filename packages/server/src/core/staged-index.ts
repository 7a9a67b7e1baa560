import {
  type AssignmentBody,
  type AssignmentTarget,
  canonicalJson,
  type FileBody,
  filesNamed,
  type ObjectKind,
  SETTINGS,
} from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';
import { compileFilter, type Filter } from './filter.ts';
import { groupsReached, isOut, isOver, type Rollout, readRollout, subjectOf } from './rollout.ts';
import { systemWith } from './sealed.ts';
import { groupChain, type SiteConfig } from './site-config.ts';
import { CONFIG_KINDS, createSiteIndex, isConfigKind, type SiteReading } from './site-index.ts';

/** Kinds of which a change may change bundles of devices and users that it does not name. */
export const STAGED_KINDS = [...CONFIG_KINDS, 'File', 'Rollout'] as const satisfies readonly ObjectKind[];

export function isStagedKind(kind: ObjectKind): kind is (typeof STAGED_KINDS)[number] {
  return kind === 'File' || kind === 'Rollout' || isConfigKind(kind);
}

type Indexed = Pick<StoredObject, 'kind' | 'name' | 'body' | 'system' | 'deleted'>;

/**
 * The configuration as it counts for each device: rollouts give a new body to the devices of some groups, and an assignment with
 * a moment counts from the commit that carried it out. All of it follows from the objects, so every server answers alike.
 */
export type StagedIndex = {
  /** For devices that no rollout has reached. */
  readonly config: SiteConfig;
  /** For a device of this group. */
  configFor(group: string | undefined): SiteConfig;
  readonly files: ReadonlyMap<string, FileBody>;
  update(object: Indexed): void;
  targetsOf(object: Pick<StoredObject, 'kind' | 'name'>): readonly AssignmentTarget[];
  /** As `SiteIndex` says it; a rollout does when the body that it gives does. */
  saysOffline(object: Pick<StoredObject, 'kind' | 'name'>): boolean;
  clear(): void;
};

export function createStagedIndex(): StagedIndex {
  const base = createSiteIndex();
  const objects = new Map<string, Indexed>();
  const files = new Map<string, FileBody>();
  const rollouts = new Map<string, Rollout>();
  /** By the rollouts that have reached a device; made when first asked for, void after a change. */
  const staged = new Map<string, SiteReading>();
  let out: readonly Rollout[] = [];
  /** Void after a change. */
  let filters: ReadonlySet<Filter> | undefined;
  const config: SiteConfig = {
    ...base.config,
    get filters() {
      filters ??= new Set([...base.config.filters, ...filtersToCome()]);
      return filters;
    },
  };

  /**
   * Of assignments whose moment has not come, and of those that rollouts give: what devices are must be known before it decides, or
   * a filter that begins to count would leave out everybody.
   */
  function filtersToCome(): readonly Filter[] {
    const planned = Array.from(objects.values()).filter(object => object.kind === 'Assignment' && !isActive(object));
    const given = Array.from(rollouts.values()).filter(
      rollout => !isOver(rollout) && rollout.body.of.assignment !== undefined,
    );
    const bodies = [...planned.map(({ body }) => body), ...given.map(({ body }) => body.to)];
    return bodies.flatMap(body => {
      const { where } = body as AssignmentBody;
      return where === undefined ? [] : [compileFilter(where)];
    });
  }

  function indexWith(reached: readonly Rollout[]): SiteReading {
    const key = reached.map(({ name }) => name).join('/');
    const known = staged.get(key);
    if (known !== undefined) return known;
    const index = base.with(
      reached.flatMap(rollout => {
        const of = subjectOf(rollout.body.of);
        const now = of && objects.get(keyOf(of));
        if (now === undefined) return [];
        const system = systemWith(now.kind, rollout.body.to, now.system, rollout.secrets);
        return [asCounted({ ...now, system, body: rollout.body.to })];
      }),
    );
    staged.set(key, index);
    return index;
  }

  function reaching(group: string | undefined): readonly Rollout[] {
    if (out.length === 0 || group === undefined) return [];
    const around = new Set(groupChain(base.config.deviceGroups, group));
    return out.filter(rollout => groupsReached(rollout).some(reached => around.has(reached)));
  }

  /** Of two on one object the one whose name sorts first counts (apply refuses the second). */
  function order(): void {
    const taken = new Set<string>();
    out = [...rollouts.values()]
      .filter(isOut)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .filter(({ body }) => {
        const of = subjectOf(body.of);
        if (of === undefined || taken.has(keyOf(of))) return false;
        taken.add(keyOf(of));
        return true;
      });
  }

  /**
   * The site without rollouts, and with all that are out: a device has each object as it is in one of the two. Made here and not only for
   * devices that ask: what nobody has asked for since the last change reaches them as well.
   */
  const both = (): readonly SiteReading[] => (out.length === 0 ? [base] : [base, indexWith(out)]);

  const targetsIn = (object: Pick<StoredObject, 'kind' | 'name'>) =>
    distinct(both().flatMap(index => index.targetsOf(object)));

  function usersOf(file: string): readonly AssignmentTarget[] {
    const policies = both().flatMap(index => Array.from(index.config.policies.values()));
    const names = new Set(policies.filter(({ settings }) => namesFile(settings, file)).map(({ name }) => name));
    return [...names].flatMap(name => targetsIn({ kind: 'Policy', name }));
  }

  return {
    config,
    configFor(group) {
      const reached = reaching(group);
      return reached.length === 0 ? config : indexWith(reached).config;
    },
    files,
    update(object) {
      const { kind, name, body, deleted } = object;
      filters = undefined;
      if (kind === 'File') {
        if (deleted) files.delete(name);
        else files.set(name, body as FileBody);
      } else if (kind === 'Rollout') {
        if (deleted) rollouts.delete(name);
        else rollouts.set(name, readRollout(name, body, object.system));
        order();
        staged.clear();
      } else if (isConfigKind(kind)) {
        if (deleted) objects.delete(keyOf(object));
        else objects.set(keyOf(object), object);
        base.update(asCounted(object));
        staged.clear();
      }
    },
    targetsOf(object) {
      if (object.kind === 'File') return usersOf(object.name);
      if (object.kind !== 'Rollout') {
        return targetsIn(object);
      }
      const rollout = rollouts.get(object.name);
      const of = rollout && subjectOf(rollout.body.of);
      if (rollout === undefined || of === undefined) return [];
      const to = of.kind === 'Assignment' ? (rollout.body.to as AssignmentBody).to : undefined;
      return distinct([...targetsIn(of), ...(to === undefined ? [] : [to])]);
    },
    saysOffline(object) {
      if (object.kind !== 'Rollout') return both().some(index => index.saysOffline(object));
      const rollout = rollouts.get(object.name);
      const of = rollout && subjectOf(rollout.body.of);
      if (rollout === undefined || of === undefined) return false;
      return (
        base.saysOffline(of) || createSiteIndex([{ ...of, body: rollout.body.to, deleted: false }]).saysOffline(of)
      );
    },
    clear() {
      base.clear();
      for (const map of [objects, files, rollouts, staged]) map.clear();
      out = [];
      filters = undefined;
    },
  };
}

/** Most are in both. */
function distinct(targets: readonly AssignmentTarget[]): readonly AssignmentTarget[] {
  return targets.length < 2 ? targets : [...new Map(targets.map(target => [canonicalJson(target), target])).values()];
}

const keyOf = ({ kind, name }: { readonly kind: string; readonly name: string }) => `${kind}/${name}`;

/** An assignment whose moment has not come counts as none. */
function asCounted(object: Indexed): Indexed {
  return object.kind === 'Assignment' && !isActive(object)
    ? { ...object, system: object.system, body: {}, deleted: true }
    : object;
}

/** Whether an assignment counts: it has no moment, or that very moment was carried out. */
export function isActive({ body, system }: Pick<StoredObject, 'body' | 'system'>): boolean {
  const { activateAt } = body as AssignmentBody;
  return activateAt === undefined || system.activatedFor === momentText(activateAt);
}

/** As it is remembered that a moment was carried out. */
export const momentText = ({ at, timeZone }: NonNullable<AssignmentBody['activateAt']>) => `${at} ${timeZone}`;

/** Names of Files in settings by dotted key. */
export function filesIn(settings: Iterable<readonly [string, unknown]>): readonly string[] {
  return Array.from(settings, ([key, value]) => filesNamed(SETTINGS.get(key)?.schema ?? {}, value)).flat();
}

function namesFile(settings: ReadonlyMap<string, unknown>, file: string): boolean {
  return filesIn(settings).includes(file);
}
