import {
  type AgentStatus,
  ERRORS,
  isErrorCode,
  type LoginResult,
  type PasswordResult,
  type SessionView,
  visible,
} from '@thinman/protocol';

/** `granted: alice, online by primary (123 ms)` and the connections, for people. */
export function describeGrant(result: LoginResult): string {
  const by = result.server === null ? 'by this device' : `by ${result.server}`;
  const lines = [`granted: ${result.user}, ${result.mode}, ${by} (${Math.round(result.elapsedMs)} ms)`];
  if (result.warning !== undefined) lines.push(result.warning);
  for (const connection of result.profile?.connections ?? []) lines.push(`  ${connection.name} (${connection.type})`);
  return joined(lines);
}

/** One line: what is wrong and what to do. */
export function describeDenial(result: LoginResult): string {
  const code = result.reason ?? 'internal';
  const title = isErrorCode(code) ? ERRORS[code].title : 'The login was denied.';
  const wait = result.retryAfterMs === undefined ? '' : waitInWords(code, result.retryAfterMs);
  return visible(`denied: ${title}${wait} (${code}, ${result.mode})`);
}

function waitInWords(code: string, retryAfterMs: number): string {
  // The hours in which it is permitted begin then.
  if (code === 'not_permitted') return ` It is permitted from ${moment(Date.now() + retryAfterMs)} on.`;
  return ` Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
}

export function describeSession({ user, connections }: SessionView): string {
  const who = user === null ? 'nobody is signed in' : user;
  if (connections.length === 0) return joined([who, '  no connections']);
  const rows = connections.map(({ name, type, state, why, fallback }) => {
    const note = fallback === null ? why : `${fallback} is open in its place: ${why}`;
    return [name, type, note === null ? state : `${state} (${note})`];
  });
  return joined([who, ...columns(rows).map(line => `  ${line}`)]);
}

/** One line: why a password was not changed. */
export function describeUnchanged({ reason, detail, retryAfterMs }: PasswordResult): string {
  const code = reason ?? 'internal';
  const title = isErrorCode(code) ? ERRORS[code].title : 'The password was not changed.';
  const wait = retryAfterMs === undefined ? '' : ` Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  return visible(`not changed: ${withDetail(title, detail)}${wait} (${code})`);
}

/** A title is a sentence, its detail none: "It is not accepted: it needs 8 characters and more." */
export function withDetail(title: string, detail: string | undefined): string {
  return detail === undefined ? title : `${title.replace(/\.$/, '')}: ${detail.replace(/\.$/, '')}.`;
}

/** What most devices have nothing to say of. */
function extras({ deviceSecret: secret, autologin }: AgentStatus): readonly string[] {
  return [
    ...(autologin === undefined
      ? []
      : [`by itself ${autologin.user}${autologin.reason === null ? '' : ` (${autologin.reason})`}`]),
    ...(secret === undefined ? [] : [`secret   ${secret.kept}${secret.trouble === null ? '' : `: ${secret.trouble}`}`]),
  ];
}

export function describeStatus(status: AgentStatus): string {
  const server = status.server === null ? 'no server' : `${status.server.name} (${status.server.state})`;
  const session =
    status.session === null
      ? 'nobody is signed in'
      : `${status.session.user} since ${moment(status.session.since)} (${status.session.mode}${status.session.locked === true ? ', locked' : ''}${status.session.autologin === true ? ', by itself' : ''})`;
  const rows = status.servers.map(({ name, url, role, state, lastError }) => [
    name,
    url,
    role,
    lastError === null ? state : `${state} (${lastError})`,
  ]);
  return joined([
    `device   ${status.device ?? 'not enrolled'}`,
    `mode     ${status.mode}, ${server}`,
    `version  ${status.epoch}.${status.generation}`,
    `session  ${session}`,
    `events   ${status.pendingEvents} waiting`,
    ...extras(status),
    'servers',
    ...columns(rows).map(line => `  ${line}`),
  ]);
}

/** Names and reasons come from servers and from whoever typed at a login: none of them drives the terminal, or makes a line of its own. */
const joined = (lines: readonly string[]) => lines.map(visible).join('\n');

/** Cells under each other, as wide as the widest one; the last one as it is. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const width = (column: number) => Math.max(...rows.map(row => row[column]?.length ?? 0));
  return rows.map(row => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(width(at)))).join('  '));
}

/** `2027-01-31 12:00:00Z`. */
function moment(unixMs: number): string {
  return new Date(unixMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}
