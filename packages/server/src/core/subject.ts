import type { DeviceBody, DeviceSystem, UserBody } from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';
import type { Subject } from './site-config.ts';
import type { Variables } from './variables.ts';

type DeviceObject = Pick<StoredObject, 'name' | 'body'> & { readonly system?: StoredObject['system'] };
type UserObject = Pick<StoredObject, 'name' | 'body'>;

/** Of whom resolution is asked, from the objects. */
export function subjectOf(device: DeviceObject, user?: UserObject): Subject {
  const { group, attributes } = device.body as DeviceBody;
  const { facts } = (device.system ?? {}) as Partial<DeviceSystem>;
  return {
    device: {
      name: device.name,
      ...(group !== undefined && { group }),
      ...(attributes !== undefined && { attributes }),
      ...(facts !== undefined && { facts }),
    },
    ...(user !== undefined && { user: { name: user.name, groups: (user.body as UserBody).groups ?? [] } }),
  };
}

/** What variables stand for there. */
export function variablesOf(siteName: string | undefined, device: DeviceObject, user?: UserObject): Variables {
  const { group, attributes } = device.body as DeviceBody;
  const person = user?.body as UserBody | undefined;
  return {
    device: { name: device.name, group, attributes },
    user: user && { name: user.name, displayName: person?.displayName, attributes: person?.attributes },
    site: { name: siteName },
  };
}
