import type { AppliedChange } from '../../ports.ts';
import type { DeviceContent } from '../bundles.ts';
import type { DeviceDeps } from '../device-deps.ts';
import type { Connection } from './connection.ts';

/** Whom this policy signs in by itself. */
export function autologinIn({ settings }: Pick<DeviceContent, 'settings'>): string | undefined {
  const value = settings['session.autologin'];
  const user = typeof value === 'object' && value !== null ? Reflect.get(value, 'user') : undefined;
  return typeof user === 'string' ? user : undefined;
}

/**
 * Devices that sign in by themselves, and of whose account this change says something. One that was refused there is no session of, and
 * perhaps no cached login: nothing else tells the device that another try may end otherwise.
 */
export function kiosksOf(
  change: AppliedChange,
  connections: Iterable<Connection>,
  directories: Pick<DeviceDeps['directories'], 'claims' | 'keysOf'>,
): readonly Connection[] {
  const said = new Set(change.objects.flatMap(({ kind, name }) => (kind === 'User' ? [name] : [])));
  if (said.size === 0) return [];
  /** One account serves many kiosks. */
  const found = new Map<string, boolean>();
  const isMeant = (user: string): boolean => {
    if (said.has(user)) return true;
    return directories.claims(user) !== 'none' && directories.keysOf(user).some(key => said.has(key));
  };
  return [...connections].filter(({ greeted, autologin }) => {
    if (!greeted || autologin === undefined) return false;
    const isIt = found.get(autologin) ?? isMeant(autologin);
    found.set(autologin, isIt);
    return isIt;
  });
}
