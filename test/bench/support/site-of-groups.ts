import { createSiteIndex, type SiteIndex } from '../../../packages/server/src/core/site-index.ts';
import type { StoredObject } from '../../../packages/server/src/ports.ts';

/** Groups nest this deep: a hospital, a building, a floor. */
const DEPTH = 3;

const object = (kind: StoredObject['kind'], name: string, body: StoredObject['body']): StoredObject => ({
  ...{ kind, name, body, uid: `${kind}-${name}`, generation: 1, system: {}, deleted: false },
});

/** Who is asked about: in the innermost group of the first branch of each tree, whatever the size of the site. */
export const ASKED = {
  device: object('Device', 'tc-1', { group: `devices-${DEPTH - 1}` }),
  user: object('User', 'alice', { groups: [`users-${DEPTH - 1}`] }),
} as const;

/**
 * A site with `groups` groups, half of devices and half of users, and `assignmentsPerGroup` for each, by turns a policy and a
 * profile; each third of them asks for a group of the other tree as well.
 */
export function siteWithGroups(groups: number, assignmentsPerGroup: number): SiteIndex {
  const objects: StoredObject[] = [];
  for (let group = 0; group < groups / 2; group++) {
    const nested = group % DEPTH === 0 ? [] : [group - 1];
    for (const kind of ['devices', 'users'] as const) {
      const parent = nested.map(outer => ({ parent: `${kind}-${outer}` }))[0] ?? {};
      objects.push(object(kind === 'devices' ? 'DeviceGroup' : 'UserGroup', `${kind}-${group}`, parent));
      for (let nth = 0; nth < assignmentsPerGroup; nth++) objects.push(...assigned(kind, group, nth));
    }
  }
  return createSiteIndex(objects);
}

function assigned(kind: 'devices' | 'users', group: number, nth: number): StoredObject[] {
  const name = `${kind}-${group}-${nth}`;
  const ofBoth = nth % 3 === 2;
  const to = {
    ...((kind === 'devices' || ofBoth) && { deviceGroup: `devices-${group}` }),
    ...((kind === 'users' || ofBoth) && { userGroup: `users-${group}` }),
  };
  const isPolicy = nth % 2 === 0;
  return [
    isPolicy
      ? object('Policy', name, { settings: { keyboard: { layout: 'it' }, power: { screenOffAfterMinutes: nth } } })
      : object('Profile', name, { connections: [{ name, type: 'rdp', host: `${name}.example.org`, autostart: true }] }),
    object('Assignment', name, { [isPolicy ? 'policy' : 'profile']: name, to, priority: nth }),
  ];
}
