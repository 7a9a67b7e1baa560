import type Database from 'better-sqlite3';
import type { SetAside } from '../record/dialects/set-aside.ts';

/** The server that a journal belongs to. */
export type Owner = { readonly siteId: string; readonly instance: string };

/**
 * Says why a journal is not this server's: its events would be handed on as this server's own. A journal without an owner
 * (a new one, or of the first format) becomes this server's.
 */
export function unfitFor(handle: Database.Database, owner: Owner | undefined): SetAside['why'] | undefined {
  if (owner === undefined) return undefined;
  const held = handle.prepare<unknown[], Owner>('SELECT siteId, instance FROM owner').get();
  if (held === undefined) {
    handle.prepare('INSERT INTO owner (id, siteId, instance) VALUES (1, ?, ?)').run(owner.siteId, owner.instance);
    return undefined;
  }
  if (held.siteId !== owner.siteId) return 'other_site';
  return held.instance === owner.instance ? undefined : 'other_server';
}
