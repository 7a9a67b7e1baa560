import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseJson } from '@thinman/protocol';
import Type, { type Static } from 'typebox';
import { CommandError, EXIT } from './command-error.ts';

const StoredSession = Type.Object({
  token: Type.String(),
  user: Type.String(),
  /** Unix milliseconds. */
  expiresAt: Type.Integer(),
  /** PEM: what the server's certificate must be signed by; none = the system's own CAs. */
  ca: Type.Array(Type.String()),
});
export type StoredSession = Static<typeof StoredSession>;

const StoredSessions = Type.Object({
  /** URL of the server that was logged in to last. */
  current: Type.String(),
  /** By the server's URL. */
  sessions: Type.Record(Type.String(), StoredSession),
});
type StoredSessions = Static<typeof StoredSessions>;

const MAX_FILE_CHARS = 4 * 1024 * 1024;

/** `$XDG_CONFIG_HOME/thinman`, else `~/.config/thinman` (XDG Base Directory Specification). */
export function sessionFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CONFIG_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.config') : base, 'thinman');
}

/** The session for this server, or for the one that was logged in to last. */
export function findSession(
  folder: string,
  server: string | undefined,
): { readonly server: string; readonly session: StoredSession } | undefined {
  const held = read(folder);
  const url = server ?? held?.current;
  const session = url === undefined ? undefined : held?.sessions[url];
  return url === undefined || session === undefined ? undefined : { server: url, session };
}

/** Keeps it for the commands to come. The file can be read by its owner alone. */
export function keepSession(folder: string, server: string, session: StoredSession): void {
  const sessions = { ...read(folder)?.sessions, [server]: session };
  const text = JSON.stringify({ current: server, sessions } satisfies StoredSessions, null, 2);
  const file = fileIn(folder);
  const next = `${file}.${process.pid}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(next, `${text}\n`, { mode: 0o600 });
  chmodSync(next, 0o600);
  renameSync(next, file);
}

function fileIn(folder: string): string {
  return join(folder, 'sessions.json');
}

function read(folder: string): StoredSessions | undefined {
  let text: string;
  try {
    text = readFileSync(fileIn(folder), 'utf8');
  } catch {
    return undefined;
  }
  const parsed = parseJson(StoredSessions, text, MAX_FILE_CHARS);
  if (parsed.ok) return parsed.value;
  throw new CommandError(EXIT.misuse, `${fileIn(folder)} is damaged: delete it and log in again`);
}
