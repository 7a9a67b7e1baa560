import type { Site } from '../site.ts';
import type { Surroundings } from '../system-test.ts';
import { createHoldingWire, type HoldingWire } from './holding-wire.ts';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD, USER_PASSWORD, userDn } from './hospital.ts';
import { type Slapd, startSlapd } from './slapd.ts';

/** A real OpenLDAP server beside a site's own servers, behind a wire that a test may hold. */
export type WithDirectory = Surroundings & { readonly slapd: Slapd; readonly wire: HoldingWire };

/** Users of the directory, as they type themselves; no object of the site knows them. */
export const ALICE_OF_LAB = { name: 'alice@lab.test', password: USER_PASSWORD } as const;
export const BOB_OF_LAB = { name: 'bob@lab.test', password: USER_PASSWORD } as const;

export async function surroundDirectory(folder: string): Promise<WithDirectory> {
  const slapd = await startSlapd(`${folder}/slapd`);
  const wire = await createHoldingWire(slapd.port);
  return {
    ...{ slapd, wire },
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      await slapd[Symbol.asyncDispose]();
    },
  };
}

/** The Directory object, and a profile for its users. Both servers and every device know of it afterwards. */
export async function applyDirectory(site: Site, { wire }: WithDirectory): Promise<void> {
  const directory = {
    kind: 'Directory',
    name: 'lab',
    body: {
      ...{ type: 'ldap', urls: [wire.url], baseDn: BASE_DN, suffix: 'lab.test' },
      ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
    },
  };
  await site.apply(JSON.stringify(directory));
  await site.apply(profileOfStaff(['ward']));
  const { generation } = await site.primary.status();
  await site.secondary.waitForStatus('to know the directory', status => status.generation >= generation);
}

export function profileOfStaff(names: readonly string[]): string {
  const connections = names.map(name => ({ name, type: 'rdp', host: 'rds.lab.test' }));
  return [
    { kind: 'UserGroup', name: 'staff', body: {} },
    { kind: 'Profile', name: 'staff', body: { connections } },
    { kind: 'Assignment', name: 'staff-profile', body: { profile: 'staff', to: { userGroup: 'staff' } } },
  ]
    .map(object => JSON.stringify(object))
    .join('\n---\n');
}

/** Shut out by the directory's administrator, or let in again. */
export function shutOut({ slapd }: WithDirectory, uid: string, isOut = true): Promise<void> {
  const change = isOut ? 'replace: shadowExpire\nshadowExpire: 100' : 'delete: shadowExpire';
  return slapd.modify(`dn: ${userDn(uid)}\nchangetype: modify\n${change}\n`);
}
