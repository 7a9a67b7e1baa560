import { join } from 'node:path';
import { removeFile, writeFileAtomic } from '../atomic-file.ts';
import type { Applier } from './applier.ts';
import type { MemoryFolder } from './memory-folder.ts';

const FILE = 'user-policy.json';
/** Of the agent's user alone: those under whom clients run are told what concerns them. */
const FILE_MODE = 0o600;

export type UserPolicyFile = Applier & {
  /** The session is over: nothing waits for that. */
  forget(): void;
};

/**
 * Writes the policy of the person who is signed in as JSON: `{"user", "version", "settings", "connections"}`. Only into a
 * folder that lies in memory, and only while the session lasts.
 */
export function userPolicyFile(folder: MemoryFolder): UserPolicyFile {
  const forget = () => removeFile(join(folder.path, FILE));
  return {
    section: 'files',
    async apply({ user }) {
      if (user === null) {
        forget();
        return { result: 'applied' };
      }
      const { version, settings, profile } = user;
      const content = { user: user.user.name, version, settings, connections: profile.connections };
      writeFileAtomic(join(folder.require(), FILE), `${JSON.stringify(content, null, 2)}\n`, FILE_MODE);
      return { result: 'applied' };
    },
    forget,
  };
}
