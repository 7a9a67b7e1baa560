import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isWritten, writeFileAtomic } from '../atomic-file.ts';
import { readSmallFileIfThere } from '../read-file.ts';
import type { UnixAccountSettings } from './local-settings.ts';
import { type PasswdEntry, readPasswd } from './passwd.ts';

/** systemd reads records that everybody may read; there is no secret in them. */
const RECORD_MODE = 0o644;
const FOLDER_MODE = 0o755;
const UIDS_MODE = 0o600;
/** 30,000 uids, each with a name of some dozens of characters. */
const MAX_UIDS_BYTES = 8 * 1024 * 1024;
/**
 * Names of groups are rights: sudo and polkit ask what the groups of a user are called (`%sudo`, `%admin`, `wheel`). So no group is called
 * as the site calls its user.
 */
const GROUP_PREFIX = 'thinman-';
/** What systemd takes for a name of a user, and what may stand in a path: no slash, no colon, nothing unseen, not a number. */
const UNIX_NAME = /^(?![-.~])(?!\d+$)[^\p{C}\p{Z}/:]{1,255}$/u;

/** Whom PAM calls by a name. */
export type PamUser =
  /** A user of ThinMan. */
  | { readonly kind: 'user'; readonly name: string }
  /** The account with which all sessions run: whoever is signed in. */
  | { readonly kind: 'shared' }
  /** Another account of this machine (root above all): never one of ThinMan's. */
  | { readonly kind: 'local' };

/** Makes Unix users of ThinMan's users, as user records of systemd (`man nss-systemd`). */
export type UnixAccounts = {
  who(name: string): PamUser;
  /** After this `getpwnam` finds them. Throws what stands in the way. */
  make(name: string): void;
};

export function createUnixAccounts(
  settings: UnixAccountSettings | undefined,
  files: { readonly uidsFile: string; readonly passwdFile: string },
): UnixAccounts {
  const { passwdFile, uidsFile } = files;
  const shared = settings?.kind === 'shared' ? settings.account : undefined;

  const write = (folder: string, name: string, record: object) => {
    const [path, content] = [join(folder, name), `${JSON.stringify(record)}\n`];
    // Of who has logged in since the machine was started it is there: nobody waits for the disk.
    if (!isWritten(path, content, RECORD_MODE)) writeFileAtomic(path, content, RECORD_MODE);
  };

  return {
    who(name) {
      if (name === shared) return { kind: 'shared' };
      return readPasswd(passwdFile).has(name) ? { kind: 'local' } : { kind: 'user', name };
    },
    make(name) {
      if (settings === undefined) return;
      if (!UNIX_NAME.test(name)) throw new Error('a user of this name cannot be a Unix user');
      const { folder } = settings;
      mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
      if (settings.kind === 'shared') {
        const account = readPasswd(passwdFile).get(settings.account);
        if (account === undefined) throw new Error(`there is no account "${settings.account}" on this machine`);
        write(folder, `${name}.user`, recordOf(name, account));
        return;
      }
      const uid = uidFor(name, settings, uidsFile);
      const { homes, shell } = settings;
      // The group first: a record of a user whose group is not there yet would be a moment without it.
      const groupName = `${GROUP_PREFIX}${uid}`;
      for (const file of [`${groupName}.group`, `${uid}.group`]) {
        write(folder, file, { groupName, gid: uid, disposition: 'regular' });
      }
      const record = recordOf(name, { uid, gid: uid, home: join(homes, name), shell });
      // By number too: `ls -l` and `id` ask that way. A shared account is found by its own.
      write(folder, `${uid}.user`, record);
      write(folder, `${name}.user`, record);
    },
  };
}

const recordOf = (name: string, { uid, gid, home, shell }: Omit<PasswdEntry, 'name'>) => ({
  userName: name,
  realName: name,
  uid,
  gid,
  homeDirectory: home,
  shell,
  // Without a password: nobody becomes this user by pam_unix.
  disposition: 'regular',
});

/** A uid is for good: files on the disk are owned by it. */
function uidFor(name: string, range: Extract<UnixAccountSettings, { kind: 'own' }>, file: string): number {
  const uids = readUids(file);
  const known = uids.get(name);
  if (known !== undefined) return known;
  const next = Math.max(range.firstUid - 1, ...uids.values()) + 1;
  if (next > range.lastUid) throw new Error(`all uids up to ${range.lastUid} are given out`);
  uids.set(name, next);
  writeFileAtomic(file, `${JSON.stringify(Object.fromEntries(uids))}\n`, UIDS_MODE);
  return next;
}

/** Throws on a file that is damaged: to begin anew would give one person's files to another. */
function readUids(file: string): Map<string, number> {
  const text = readSmallFileIfThere(file, MAX_UIDS_BYTES)?.toString();
  if (text === undefined) return new Map();
  const held = fieldsOf(text);
  if (held === undefined) throw new Error(`${file} is damaged: restore it`);
  return new Map(
    Object.entries(held).map(([name, uid]) => {
      if (!Number.isInteger(uid)) throw new Error(`${file} is damaged: restore it`);
      return [name, uid];
    }),
  );
}

function fieldsOf(text: string): object | undefined {
  try {
    const held: unknown = JSON.parse(text);
    return typeof held === 'object' && held !== null ? held : undefined;
  } catch {
    return undefined;
  }
}
