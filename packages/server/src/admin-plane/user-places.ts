import type { AssignmentBody, AssignmentTarget } from '@thinman/protocol';
import type { Assignment } from '../core/site-config.ts';
import type { StoredObject } from '../ports.ts';
import type { EffectiveSite } from './effective.ts';
import type { PlannedObject } from './plan-apply.ts';

/** Where a user is looked at. `on`: null = on any device, by what is the user's own. */
export type UserPlace = {
  readonly on: null | { readonly deviceGroup: string } | { readonly device: string };
  readonly before?: StoredObject | undefined;
  readonly after?: StoredObject | undefined;
};

/** Places beside `anywhere`: each costs a resolution of every user. */
const MAX_PLACES = 50;

/** No device has this name: on it only what is the user's own counts. */
export const somewhere = standIn('', undefined);

function standIn(name: string, group: string | undefined): StoredObject {
  const body = group === undefined ? {} : { group };
  return { kind: 'Device', name, uid: '', generation: 0, body, system: {}, deleted: false };
}

/** Anywhere, and wherever an assignment that the change is about asks for a user and a device. */
export function userPlaces(
  sites: { readonly before: EffectiveSite; readonly after: EffectiveSite },
  items: readonly Pick<PlannedObject, 'kind' | 'name' | 'body'>[],
): { readonly places: readonly UserPlace[]; readonly leftOut: number } {
  const names = (kind: PlannedObject['kind']) =>
    new Set(items.filter(item => item.kind === kind).map(({ name }) => name));
  const [policies, profiles, assignments] = [names('Policy'), names('Profile'), names('Assignment')];
  const isConcerned = ({ name, policy, profile }: Assignment) =>
    assignments.has(name) ||
    (policy !== undefined && policies.has(policy)) ||
    (profile !== undefined && profiles.has(profile));
  const places = new Map<string, UserPlace>([['', { on: null }]]);
  const leftOut = new Set<string>();
  const put = (key: string, place: UserPlace) => {
    if (places.has(key) || places.size <= MAX_PLACES) places.set(key, place);
    else leftOut.add(key);
  };
  const add = ({ device, deviceGroup, user, userGroup }: AssignmentTarget) => {
    if (user === undefined && userGroup === undefined) return;
    if (device !== undefined) {
      const stand = standIn(device, deviceGroup);
      put(`device ${device}`, { on: { device }, before: stand, after: stand });
    } else if (deviceGroup !== undefined) {
      const stand = standIn('', deviceGroup);
      put(`group ${deviceGroup}`, { on: { deviceGroup }, before: stand, after: stand });
    }
  };
  for (const { config } of [sites.before, sites.after]) {
    for (const byUser of config.assignments.values()) {
      for (const list of byUser.values()) for (const one of list) if (isConcerned(one)) add(one.target);
    }
  }
  for (const { kind, body } of items) if (kind === 'Assignment') add((body as AssignmentBody).to);
  return { places: [...places.values()], leftOut: leftOut.size };
}
