import { isOlder, newestVersion, type Version } from '@thinman/protocol';
import { patch, type Turn } from './turn.ts';

/** What a device holds never goes back: a bundle is taken if it is not older than the one held. */
export function takesBundle(held: Version, offered: Version): boolean {
  return !isOlder(offered, held);
}

/** A bundle of this version is held from now on. */
export function nowHeld(turn: Turn, which: 'device' | 'user', version: Version): void {
  const { held } = turn.state;
  patch(turn, { held: { ...held, [which]: version, newest: newestVersion(held.newest, version) } });
}
