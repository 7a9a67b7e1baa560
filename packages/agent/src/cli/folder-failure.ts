import { errorCode } from '../error-code.ts';
import { CommandFailure, EXIT } from './exit.ts';

const FORBIDDEN = /^(?:EACCES|EPERM)$/;
const FULL = /^(?:ENOSPC|EDQUOT|SQLITE_FULL)$/;
const READ_ONLY = /^(?:EROFS|SQLITE_READONLY)/;
/** No folder is there, and none can be made there. SQLite's: where a file of ours should be, something else lies. */
const NO_FOLDER = /^(?:ENOENT|ENOTDIR|EEXIST|EISDIR|ELOOP|ENAMETOOLONG|SQLITE_CANTOPEN|SQLITE_NOTADB)/;

/** What the operating system refuses about a data folder, as the end of a command; undefined: that is not what failed. */
export function folderFailure(error: unknown, dataDir: string): CommandFailure | undefined {
  const code = errorCode(error) ?? '';
  if (FORBIDDEN.test(code))
    return new CommandFailure(EXIT.wrongUse, `${dataDir} cannot be used (${code}); run as the user that owns it`);
  if (NO_FOLDER.test(code))
    return new CommandFailure(
      EXIT.wrongUse,
      `${dataDir} cannot be used as a data folder (${code}); choose another --data`,
    );
  if (FULL.test(code))
    return new CommandFailure(EXIT.failed, `the disk of ${dataDir} is full; make room and try again`);
  if (READ_ONLY.test(code))
    return new CommandFailure(EXIT.failed, `the disk of ${dataDir} is read-only; remount it and try again`);
  return undefined;
}
