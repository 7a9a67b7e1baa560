import { execFileSync } from 'node:child_process';
import { CommandFailure, EXIT } from './exit.ts';

export type UnixUser = { readonly uid: number; readonly gid: number; readonly name: string; readonly home: string };

/** A user of this device, wherever it keeps them. Throws CommandFailure. */
export function unixUser(name: string): UnixUser {
  const none = new CommandFailure(
    EXIT.wrongUse,
    'no user of this device has the name of --client-user: make one, or name another',
  );
  if (!/^[a-z_][a-z0-9_.-]*$/i.test(name)) throw none;
  let line: string;
  try {
    line = execFileSync('getent', ['passwd', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    throw none;
  }
  const [, , uid = '', gid = '', , home = '/'] = line.trimEnd().split(':');
  return { uid: Number(uid), gid: Number(gid), name, home };
}
