import { isWithinHours, type LoginHours, msUntilWithinHours } from '@thinman/protocol';
import type { ResolvedPolicy } from './resolve-policy.ts';
import { groupChain, groupDepths, type SiteConfig, type Subject } from './site-config.ts';

/** Where, when and how often one user may log in on one device: the settings `access.*`, resolved (ADR 0065). */
export type Access = {
  /** May this user use this device at all? */
  readonly isPlace: boolean;
  /** undefined: at any time. `timeZone` is set. */
  readonly hours: LoginHours | undefined;
  /** 0: any number. */
  readonly maxSessions: number;
  readonly whenTooMany: 'endOldest' | 'refuse';
};

/** `place`: not on this device. `hours`: not at this time. */
export type NotPermitted = 'place' | 'hours';

/** `settings`: of this very user on this very device. */
export function accessOf(config: SiteConfig, subject: Subject, settings: ResolvedPolicy): Access {
  const value = <T>(key: string) => settings[key]?.value as T | null | undefined;
  const names = (key: string) => value<readonly string[]>(key);
  const { device, user } = subject;
  const userGroups = groupDepths(config.userGroups, user?.groups ?? []);
  const deviceGroups = groupChain(config.deviceGroups, device.group);
  const hours = value<LoginHours>('access.hours');
  return {
    isPlace:
      isOneOf([names('access.users'), [user?.name]], [names('access.userGroups'), [...userGroups.keys()]]) &&
      isOneOf([names('access.devices'), [device.name]], [names('access.deviceGroups'), deviceGroups]),
    hours:
      hours === undefined || hours === null
        ? undefined
        : { timeZone: value<string>('locale.timeZone') ?? 'UTC', ...hours },
    maxSessions: value<number>('access.maxSessions') ?? 0,
    whenTooMany: value<Access['whenTooMany']>('access.whenTooMany') ?? 'endOldest',
  };
}

/** What stands in the way at this moment (Unix ms), if anything. */
export function notPermitted({ isPlace, hours }: Access, nowMs: number): NotPermitted | undefined {
  if (!isPlace) return 'place';
  return hours === undefined || isWithinHours(hours, nowMs) ? undefined : 'hours';
}

/** How long until the hours begin, where they are what stands in the way; undefined: waiting helps nobody. */
export function waitOf({ isPlace, hours }: Access, nowMs: number): number | undefined {
  return isPlace && hours !== undefined ? msUntilWithinHours(hours, nowMs) : undefined;
}

type Check = readonly [allowed: readonly string[] | null | undefined, isThere: readonly (string | undefined)[]];

/** Where no list says anything, everybody is. */
function isOneOf(...checks: readonly Check[]): boolean {
  const said = checks.filter(([allowed]) => allowed !== null && allowed !== undefined);
  return said.length === 0 || said.some(([allowed, isThere]) => isThere.some(name => allowed?.includes(name ?? '')));
}
