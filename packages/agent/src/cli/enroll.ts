import { type EnrolmentFailure, enroll } from '../adapters/enrolment.ts';
import { IdentityDamaged, IdentityOfNewerVersion } from '../adapters/identity-store.ts';
import { agentPaths } from '../config.ts';
import { requireSocketPath, SocketUnusable } from '../local/unix-socket.ts';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { folderFailure } from './folder-failure.ts';

const EXIT_CODES: Readonly<Record<EnrolmentFailure, ExitCode>> = {
  bad_name: EXIT.wrongUse,
  bad_token: EXIT.wrongUse,
  already_enrolled: EXIT.wrongUse,
  folder_in_use: EXIT.wrongUse,
  foreign_folder: EXIT.wrongUse,
  pin_mismatch: EXIT.wrongUse,
  refused: EXIT.wrongUse,
  no_primary: EXIT.notReachable,
  unreachable: EXIT.notReachable,
  answer_not_valid: EXIT.failed,
};

export async function runEnroll(token: string, dataDir: string, name: string | undefined): Promise<ExitCode> {
  try {
    // Before the token is used: no agent could be started there.
    requireSocketPath(agentPaths(dataDir).controlSocket);
    const result = await enroll({ token, dataDir, name });
    if (!result.ok) throw new CommandFailure(EXIT_CODES[result.why], result.message);
    process.stdout.write(`enrolled as ${result.name} (${result.deviceId})\n`);
    return EXIT.done;
  } catch (error) {
    if (error instanceof IdentityOfNewerVersion) throw new CommandFailure(EXIT.wrongUse, error.message);
    if (error instanceof SocketUnusable) throw new CommandFailure(EXIT.wrongUse, error.message);
    if (error instanceof IdentityDamaged) throw new CommandFailure(EXIT.failed, error.message);
    throw folderFailure(error, dataDir) ?? error;
  }
}
