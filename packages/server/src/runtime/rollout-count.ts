import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AssignmentTarget, DeviceBody } from '@thinman/protocol';
import { devicesIn } from '../admin-plane/device-pages.ts';
import { groupsWithin, type Scope } from '../core/deployment.ts';
import { createReachFilter, type Place } from '../core/reach.ts';
import { groupsReached, type Rollout, type RolloutTally, sectionsTouched } from '../core/rollout.ts';
import type { SiteConfig } from '../core/site-config.ts';
import type { BundleReport, Replica, SourceOfRecord, StoredObject } from '../ports.ts';

/** Devices of one question to the database. */
const DEVICES_AT_A_TIME = 250;
/** Looked at in one turn, some milliseconds at most: devices are answered in between. */
const DEVICES_A_TURN = 25;
/**
 * Users of one device that count, those who told last: a ward's device has as many in a shift. A device says by itself who works
 * there, and one that lies is to outweigh no stage of others.
 */
const USERS_COUNTED = 10;
/** As users of the device stand in the events of a device. */
const ORIGIN = 'device:';

export type RolloutCountDeps = {
  readonly replica: Pick<Replica, 'get' | 'list' | 'devicesOf'>;
  readonly record: Pick<SourceOfRecord, 'reports'>;
  readonly site: {
    config(): SiteConfig;
    targetsOf(object: { readonly kind: 'Rollout'; readonly name: string }): readonly AssignmentTarget[];
    currentEtag(device: StoredObject): string;
  };
};

/**
 * Who has what a rollout gives, counted as it changes: all devices of its stages once, a slice at a time, and from then on those
 * of which something new is known. So a pass costs no more than its limit, however large the stages are.
 */
export type RolloutCount = {
  /** Of the devices that have been looked at so far. */
  tally(): RolloutTally;
  /** Each device has been looked at since the rollout took its last step, and nothing new is known of any. */
  isComplete(): boolean;
  /** There is something to look at. */
  isBusy(): boolean;
  /** The rollout as it stands now: after a step of it all are looked at anew. `key` says which step. */
  follow(rollout: Rollout, key: string): void;
  /** Something new is known of this device: what it told, its group, that it was revoked or deleted. */
  touch(device: string): void;
  /** What devices are given may have changed: all are looked at anew, a slice at a time; until then the old counts stand. */
  recount(): void;
  /** Looks at so many devices at most, and gives how many it were. */
  take(limit: number): Promise<number>;
};

/** What one device adds, and the round in which it was looked at. */
type Share = RolloutTally & { readonly round: number };

type Look = {
  readonly groups: ReadonlySet<string>;
  readonly concerns: (place: Place) => boolean;
  readonly sections: ReadonlySet<string>;
  readonly began: number;
};

export function createRolloutCount({ replica, record, site }: RolloutCountDeps): RolloutCount {
  const shares = new Map<string, Share>();
  const touched = new Set<string>();
  const sum = { applied: 0, pending: 0, failed: 0, waiting: 0 };
  let rollout: Rollout | undefined;
  let key = '';
  let round = 0;
  /** Of the round that goes on: where it is, undefined at its beginning. */
  let after: string | undefined;
  let goesOn = false;
  let again = false;
  let isCounted = false;

  function begin(): void {
    round += 1;
    after = undefined;
    goesOn = true;
    again = false;
  }

  /** Who was not met in it is in none of the groups any more. */
  function endRound(): void {
    goesOn = false;
    for (const [device, share] of shares) if (share.round !== round) put(device, undefined);
    isCounted = true;
    if (again) begin();
  }

  function put(device: string, share: Share | undefined): void {
    const before = shares.get(device);
    for (const state of ['applied', 'pending', 'failed', 'waiting'] as const) {
      sum[state] += (share?.[state] ?? 0) - (before?.[state] ?? 0);
    }
    if (share === undefined) shares.delete(device);
    else shares.set(device, share);
  }

  function lookOf(of: Rollout): Look {
    const config = site.config();
    const targets = site.targetsOf({ kind: 'Rollout', name: of.name });
    return {
      groups: groupsWithin(config, new Set(groupsReached(of))),
      concerns: createReachFilter({ kind: 'targets', targets }, config),
      sections: sectionsTouched(of, config),
      began: of.progress?.began ?? Number.POSITIVE_INFINITY,
    };
  }

  async function lookAt(devices: readonly StoredObject[], look: Look): Promise<void> {
    if (devices.length === 0) return;
    const reports = await record.reports(devices.map(({ name }) => `${ORIGIN}${name}`));
    const byOrigin = Map.groupBy(reports, ({ origin }) => origin);
    for (const [at, device] of devices.entries()) {
      if (at % DEVICES_A_TURN === 0) await nextTurn();
      put(device.name, { ...shareOf(device, byOrigin.get(`${ORIGIN}${device.name}`) ?? [], look), round });
    }
  }

  function shareOf(device: StoredObject, reports: readonly BundleReport[], look: Look): RolloutTally {
    const share = { applied: 0, pending: 0, failed: 0, waiting: 0 };
    const { group, revoked } = device.body as DeviceBody;
    if (revoked === true || group === undefined || !look.groups.has(group)) return share;
    const place = { device: device.name, group };
    if (look.concerns({ ...place, isInUse: false, user: undefined })) {
      const own = reports.find(({ user }) => user === '');
      // Only what a device tells of the very bundle that holds for it now says anything of the new body.
      const isOfNow = own !== undefined && own.etag === site.currentEtag(device);
      share[isOfNow ? resultIn(own, look.sections) : 'waiting'] += 1;
    }
    // Who is not signed in gets it with the next login: nobody waits for that, but what fails counts.
    const ofUsers = reports
      .filter(({ user, version }) => user !== '' && version.generation >= look.began)
      .filter(({ user }) => look.concerns({ ...place, isInUse: true, user }))
      .toSorted((a, b) => b.at - a.at)
      .slice(0, USERS_COUNTED);
    for (const report of ofUsers) share[resultIn(report, look.sections)] += 1;
    return share;
  }

  async function takeTouched(limit: number, look: Look): Promise<number> {
    const names = firstOf(touched, Math.min(limit, DEVICES_AT_A_TIME));
    for (const name of names) touched.delete(name);
    const there = names.flatMap(name => replica.get('Device', name) ?? []);
    const found = new Set(there.map(({ name }) => name));
    for (const name of names) if (!found.has(name)) put(name, undefined);
    try {
      // Of other groups: what they tell is asked of nobody.
      await lookAt(
        there.filter(({ name, body }) => shares.has(name) || look.groups.has(String((body as DeviceBody).group))),
        look,
      );
    } catch (error) {
      for (const name of names) touched.add(name);
      throw error;
    }
    return names.length;
  }

  async function takeNext(limit: number, look: Look): Promise<number> {
    const scopes: Scope[] = [...look.groups].sort().map(name => ({ kind: 'group', name }));
    const of = round;
    const page = devicesIn(replica, scopes, {
      limit: Math.min(limit, DEVICES_AT_A_TIME),
      ...(after !== undefined && { after }),
    });
    await lookAt(page.devices, look);
    // Begun anew meanwhile.
    if (of !== round) return page.devices.length;
    after = page.next;
    if (after === undefined) endRound();
    return page.devices.length;
  }

  return {
    tally: () => ({ ...sum }),
    isComplete: () => isCounted && touched.size === 0,
    isBusy: () => goesOn || touched.size > 0,
    follow(now, nowKey) {
      rollout = now;
      if (nowKey === key) return;
      key = nowKey;
      isCounted = false;
      begin();
    },
    touch: device => void touched.add(device),
    recount() {
      if (goesOn) again = true;
      else begin();
    },
    async take(limit) {
      if (rollout === undefined) return 0;
      const look = lookOf(rollout);
      let taken = 0;
      while (taken < limit && touched.size > 0) taken += await takeTouched(limit - taken, look);
      // A round over no devices at all ends as well.
      while (taken < limit && goesOn) taken += Math.max(1, await takeNext(limit - taken, look));
      return taken;
    },
  };
}

function resultIn({ sections }: BundleReport, touched: ReadonlySet<string>): 'applied' | 'pending' | 'failed' {
  const results = Object.entries(sections).flatMap(([name, { result }]) => (touched.has(name) ? [result] : []));
  return results.includes('failed') ? 'failed' : results.includes('pending') ? 'pending' : 'applied';
}

function firstOf(names: Iterable<string>, limit: number): readonly string[] {
  const first: string[] = [];
  for (const name of names) {
    if (first.length >= limit) break;
    first.push(name);
  }
  return first;
}
