import type { AdminClient } from './admin-client.ts';
import type { ExitCode } from './command-error.ts';
import type { ConnectionOptions } from './connection.ts';

/** Options as commander gives them: those of the command and those of `thinman` itself. */
export type Options = ConnectionOptions & {
  readonly file: readonly string[];
  readonly output: string;
  readonly name: string;
  readonly url: string;
  readonly to: string;
  readonly device: string;
  readonly user?: string;
  readonly askPassword?: boolean;
  readonly passwordStdin?: boolean;
  readonly type?: string;
  readonly limit?: string;
  readonly group?: string;
  readonly uses?: string;
  readonly ttl?: string;
  readonly generation?: string;
  readonly site?: boolean;
  readonly dryRun?: boolean;
  readonly ifApplied?: readonly string[];
  readonly ifDeleted?: readonly string[];
  readonly with: string;
};

/** What is printed; the exit code where it is not that of success. */
export type Said = string | { readonly text: string; readonly exitCode: ExitCode };

/** What a command does when it is called: with one server, and printing what comes of it. */
export type Asking = (
  run: (client: AdminClient, options: Options, args: readonly string[]) => Promise<Said>,
) => (...given: unknown[]) => Promise<void>;
