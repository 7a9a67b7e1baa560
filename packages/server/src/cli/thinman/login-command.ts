import { AdminLoginAnswer } from '@thinman/protocol';
import { connect } from './admin-client.ts';
import { CommandError, EXIT } from './command-error.ts';
import { type ConnectionOptions, serverUrl } from './connection.ts';
import { readPassword } from './password.ts';
import { keepSession, sessionFolder } from './session-store.ts';
import { moment } from './table.ts';
import { trustFor } from './trust.ts';

export type LoginOptions = ConnectionOptions & { readonly user: string; readonly passwordStdin?: boolean };

/** `thinman login`: proves who administers, and keeps the session for the commands to come. */
export async function login(options: LoginOptions): Promise<string> {
  if (options.data !== undefined) {
    throw new CommandError(EXIT.misuse, 'with --data nobody logs in: whoever may open the socket is an owner');
  }
  if (options.server === undefined) throw new CommandError(EXIT.misuse, 'say which server: --server URL');
  const server = serverUrl(options.server);
  const ca = await trustFor(server, options);
  const password = await readPassword(options.passwordStdin === true, `Password of ${options.user} at ${server}: `);
  const client = connect({ kind: 'network', url: server, ca });
  try {
    const body = { user: options.user, password };
    const { token, role, expiresAt } = await client.ask(AdminLoginAnswer, { method: 'POST', path: '/login', body });
    keepSession(sessionFolder(), server, { token, user: options.user, expiresAt, ca: [...ca] });
    return `logged in at ${server} as ${options.user} (${role}) until ${moment(expiresAt)}\n`;
  } finally {
    await client.close();
  }
}
