import type { OfflineUser } from '@thinman/protocol';

/** A user as devices name them: one object for all devices, which is what keeps 100,000 of them small. */
type Known = { readonly userId: string; user: string; devices: number };

type Report = {
  readonly device: string;
  readonly toldAt: number;
  readonly users: readonly Known[];
  /** Unix ms, of each of `users`. */
  readonly until: Float64Array;
  readonly wiped: number;
};

/** What a device said last of who could log in there without a server. */
export type HeldThere = {
  readonly device: string;
  readonly deviceUid: string;
  readonly user: string;
  readonly userId: string;
  readonly until: number;
  readonly toldAt: number;
};

/** `isSame`: whether another name is the same person's. Asked once a user, not once a device. */
export type UserLookedFor = {
  readonly userId: string | undefined;
  readonly name: string;
  readonly isSame?: ((user: string) => boolean) | undefined;
};

export type Holdings = {
  told(
    device: { readonly uid: string; readonly name: string },
    said: { readonly offlineUsers: readonly OfflineUser[]; readonly wiped?: number | undefined },
    nowMs: number,
  ): void;
  forget(deviceUid: string): void;
  /** undefined: it has said nothing here. */
  of(
    deviceUid: string,
  ): { readonly toldAt: number; readonly wiped: number; readonly users: readonly HeldThere[] } | undefined;
  /** By id, or by the name with which they logged in. */
  ofUser(user: UserLookedFor, limit: number): readonly HeldThere[];
  size(): number;
};

/** Twice the largest site: what devices said that are gone for good does not pile up. At 20 users each some 80 MB. */
export const MAX_REPORTS = 200_000;

/** In memory, of one server: devices that come back say it again. Kept while a device is away, which is when it is asked for. */
export function createHoldings(maxReports = MAX_REPORTS): Holdings {
  const reports = new Map<string, Report>();
  const known = new Map<string, Known>();

  function forget(deviceUid: string): void {
    for (const user of reports.get(deviceUid)?.users ?? []) {
      user.devices -= 1;
      if (user.devices === 0) known.delete(user.userId);
    }
    reports.delete(deviceUid);
  }

  function knownAs({ userId, user }: OfflineUser): Known {
    const found = known.get(userId) ?? { userId, user, devices: 0 };
    known.set(userId, found);
    found.user = user;
    found.devices += 1;
    return found;
  }

  const at = (deviceUid: string, { device, users, until, toldAt }: Report, n: number): HeldThere => ({
    ...{ device, deviceUid, toldAt, until: until[n] ?? 0 },
    ...{ user: users[n]?.user ?? '', userId: users[n]?.userId ?? '' },
  });

  return {
    told({ uid, name }, { offlineUsers, wiped = 0 }, nowMs) {
      forget(uid);
      // The one that said nothing for longest goes.
      const [oldest] = reports.keys();
      if (reports.size >= maxReports && oldest !== undefined) forget(oldest);
      const one = new Map(offlineUsers.map(each => [each.userId, each]));
      const users = [...one.values()].map(knownAs);
      const until = Float64Array.from(one.values(), each => each.until);
      reports.set(uid, { device: name, toldAt: nowMs, users, until, wiped });
    },
    forget,
    of(deviceUid) {
      const report = reports.get(deviceUid);
      if (report === undefined) return undefined;
      const { toldAt, wiped, users } = report;
      return { toldAt, wiped, users: users.map((_user, n) => at(deviceUid, report, n)) };
    },
    ofUser({ userId, name, isSame = () => false }, limit) {
      // Everybody is looked at: two million comparisons of objects are some milliseconds, and an index would double the memory.
      const isMeant = (each: Known) => each.userId === userId || each.user === name || isSame(each.user);
      const meant = new Set([...known.values()].filter(isMeant));
      const found: HeldThere[] = [];
      if (meant.size === 0) return found;
      for (const [uid, report] of reports) {
        for (const [n, each] of report.users.entries()) {
          if (!meant.has(each)) continue;
          if (found.length >= limit) return found;
          found.push(at(uid, report, n));
        }
      }
      return found;
    },
    size: () => reports.size,
  };
}
