import { isNewerStatement, newestVersion, type SiteStatement, type Version } from '@thinman/protocol';
import { healthOf, UNKNOWN_HEALTH } from './health.ts';
import type { AgentState, Pull, ServerEntry, ServerHealth, SiteFacts } from './state.ts';
import { isBelievable } from './subject.ts';
import { emit, patch, type Turn } from './turn.ts';

/** The list and the rules of a statement, as the state holds them. */
export function siteOf(statement: SiteStatement): { site: SiteFacts; servers: readonly ServerEntry[] } {
  const { siteId, epoch, version, directorySuffixes, directoryPlainNames } = statement;
  return {
    site: {
      siteId,
      epoch,
      version,
      directorySuffixes,
      ...(directoryPlainNames !== undefined && { directoryPlainNames }),
    },
    servers: statement.servers.map(({ name, url, role, keyHash }) => ({ name, url, role, keyHash })),
  };
}

/** Takes a valid statement if it is newer: epoch, list and rules come from nowhere else. */
export function adoptStatement(turn: Turn, statement: SiteStatement): void {
  const { state } = turn;
  if (!isNewerStatement(statement, { ...statement, ...state.site })) return;
  const { site, servers } = siteOf(statement);
  const health: Record<string, ServerHealth> = {};
  for (const server of servers) {
    const before = state.servers.find(({ name }) => name === server.name);
    // The same name with another key or address is another server: nothing is known of it.
    const isSame = before?.keyHash === server.keyHash && before.url === server.url;
    health[server.name] = isSame ? healthOf(state, server.name) : UNKNOWN_HEALTH;
  }
  emit(turn, { kind: 'saveStatement', epoch: site.epoch, version: site.version });
  patch(turn, { site, servers, health });
  if (site.epoch > state.site.epoch) askForBundles(turn);
}

/** In a new epoch each bundle is asked for, once: one that says the same now rests on what counts, and its version says so. */
function askForBundles(turn: Turn): void {
  const { pulls } = turn.state;
  const wanted = (pull: Pull): Pull =>
    pull.kind === 'running' ? { ...pull, again: true } : { kind: 'wanted', from: turn.at.now };
  patch(turn, { pulls: { device: wanted(pulls.device), user: wanted(pulls.user) } });
}

export function isListed(state: AgentState, server: string): boolean {
  return state.servers.some(({ name }) => name === server);
}

/** A server accepted this device at this version: older words about its revocation do not count from now on. */
export function accepted(turn: Turn, version: Version): void {
  if (!isBelievable(version, turn.state.site.epoch)) return;
  const newest = newestVersion(turn.state.accepted, version);
  if (newest === turn.state.accepted) return;
  patch(turn, { accepted: newest });
  emit(turn, { kind: 'saveAccepted', version: newest });
}
