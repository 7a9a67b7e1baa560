import { visibleLines } from '@thinman/protocol';
import { IdentityDamaged } from '../identity/identity-files.ts';
import { JournalOfNewerVersion } from '../journal/errors.ts';
import { type SqliteTrouble, troubleOf } from '../record/dialects/sqlite-file.ts';
import { DatabaseFileUnreadable, DatabaseUnavailable, DatabaseUnfit } from '../record/errors.ts';
import { JoinDenied, PrimaryUnreachable } from '../setup/errors.ts';
import { explainCommon, quiet } from './explain.ts';
import { outliveReaders } from './standard-streams.ts';
import { EXIT, type ExitCode, exitCodeOf } from './thinman/command-error.ts';
import { serverProgram } from './thinman-server/program.ts';

/** Files of a server are its own: databases, their -wal files, sockets. */
const OWNER_ONLY_UMASK = 0o077;

/** The command `thinman-server`. Sets the process's exit code; what went wrong goes to standard error, in one line. */
export async function main(argv: string[]): Promise<void> {
  process.umask(OWNER_ONLY_UMASK);
  outliveReaders();
  const program = serverProgram(text => void process.stdout.write(visibleLines(text)));
  quiet(program);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    const { exitCode, line, sql = [] } = explain(error);
    process.exitCode = exitCode;
    if (line !== '') process.stderr.write(`thinman-server: ${visibleLines(line.replaceAll('\n', ' '))}\n`);
    for (const statement of sql) process.stderr.write(`  ${statement}\n`);
  }
}

type Explanation = {
  readonly exitCode: ExitCode;
  readonly line: string;
  /** What to run on the database, to be copied. */
  readonly sql?: readonly string[];
};

function explain(error: unknown): Explanation {
  if (error instanceof DatabaseUnfit) {
    const { where, finding } = error;
    return { exitCode: EXIT.misuse, line: `${where}: ${finding.what}. Run there:`, sql: finding.mend };
  }
  const common = explainCommon('thinman-server', error);
  if (common !== undefined) return { exitCode: common.exitCode, line: common.lines.join('; ') };
  if (error instanceof IdentityDamaged || error instanceof JournalOfNewerVersion) {
    return { exitCode: EXIT.misuse, line: error.message };
  }
  if (error instanceof DatabaseFileUnreadable) {
    return { exitCode: EXIT.misuse, line: `${error.message}; write it, or let this user read it` };
  }
  if (error instanceof PrimaryUnreachable) return { exitCode: EXIT.unreachable, line: error.message };
  if (error instanceof JoinDenied) return { exitCode: exitCodeOf(error.problem), line: error.message };
  return { exitCode: EXIT.failed, line: systemFailure(error) };
}

/** What the operating system refuses, in words of what to do. */
const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room and try again',
  EROFS: 'the disk is read-only; remount it and try again',
};

/** What SQLite says of a file of the data folder. */
const FILE_WORDS: Partial<Readonly<Record<SqliteTrouble, string>>> = {
  full: 'the disk is full; make room and try again',
  unreadable: 'a database in the data folder cannot be opened or written; run as the user that owns it',
  busy: 'a database in the data folder is held by another process; end that one and try again',
};

/** As Node tells of an address that cannot be listened on. */
type SystemError = NodeJS.ErrnoException & { readonly address?: string; readonly port?: number };

function systemFailure(error: unknown): string {
  const { code, message, address, port } = error as SystemError;
  if (code === 'EADDRINUSE') {
    return `${address}:${port} is in use by another process; stop that one, or choose another port ("listen" in server.json)`;
  }
  if (code === 'EADDRNOTAVAIL') {
    return `${address}:${port} is no address of this host; choose one that it has ("listen" in server.json)`;
  }
  if (code === 'EACCES' || code === 'EPERM') return `${message}; run as the user that may do this`;
  if (error instanceof DatabaseUnavailable && error.trouble === 'full') return `${message}; make room and try again`;
  // Its text says what to do.
  if (error instanceof DatabaseUnavailable) return `${message}; then run this again`;
  const trouble = troubleOf(error);
  const words = trouble === undefined ? undefined : FILE_WORDS[trouble];
  if (words !== undefined) return `${words} (${message})`;
  return SYSTEM_WORDS[code ?? ''] ?? `failed: ${message ?? String(error)}`;
}
