import { type Connection, type DeviceBundle, SETTING_SECTIONS, type UserBundle } from '@thinman/protocol';
import { AUTOLOGIN } from '../runtime/autologin-desk.ts';

/** What holds on the device now: its own policy, and that of the person who is signed in. */
export type Holding = { readonly device: DeviceBundle; readonly user: UserBundle | null };

/** Values of one section by dotted key; of `connections` a list under that name. */
export type SectionValues = Readonly<Record<string, unknown>>;

/** Sections that policies and profiles have. */
export const SECTION_NAMES: readonly string[] = [...SETTING_SECTIONS.map(({ name }) => name), 'connections'];

/** What nobody has to sign in for. */
export const WITHOUT_LOGIN = 'session.connectionsWithoutLogin';

/** What holds, by section: the user's settings before the device's. Sections that nothing sets are not in it, nor what is the agent's own secret. */
export function sectionsOf(holding: Holding): ReadonlyMap<string, SectionValues> {
  const sections = new Map<string, Record<string, unknown>>();
  const settings = { ...holding.device.settings, ...holding.user?.settings };
  for (const key of Object.keys(settings).sort()) {
    if (key === AUTOLOGIN) continue;
    const section = sectionOf(key);
    sections.set(section, { ...sections.get(section), [key]: settings[key] });
  }
  const connections = usableConnections(holding);
  if (connections.length > 0) sections.set('connections', { connections });
  return sections;
}

export function sectionOf(key: string): string {
  return key.split('.', 1)[0] ?? key;
}

/** A user's profile has the device's connections in it; with nobody signed in the device's own may be used where its policy says so. */
export function usableConnections({ device, user }: Holding): readonly Connection[] {
  if (user !== null) return user.profile.connections;
  return device.settings[WITHOUT_LOGIN] === true ? device.profile.connections : [];
}
