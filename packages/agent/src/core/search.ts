import { doubling, jittered, spread } from './backoff.ts';
import { closeChannel, nowConnected, openChannel } from './channels.ts';
import { failedHard, healthOf, hedgeDelayMs, mayHaveChannel, probe, searchDeadlineMs, setHealth } from './health.ts';
import { candidatesOf, selectServer, standingOf } from './server-selection.ts';
import type { AgentState, Connectivity, Search } from './state.ts';
import { eventsWaitAWhile, laterAtRandom, patch, record, type Turn } from './turn.ts';

type Disconnected = Extract<Connectivity, { kind: 'disconnected' }>;

/** How long an earlier server that has not answered holds back later ones: the longest hedge among them. */
export function patienceMs(turn: Turn): number {
  return Math.max(...turn.state.servers.map(({ name }) => hedgeDelayMs(turn, name)));
}

/** Asks servers what they are, all at once. What they said before is forgotten. */
export function askServers(turn: Turn, servers: readonly string[]): void {
  for (const server of servers) {
    setHealth(turn, server, { heard: 'unknown' });
    probe(turn, server, 'search', searchDeadlineMs(turn, server));
  }
}

/**
 * Who is awaited must have been asked: a server that became unknown meanwhile (a new statement, a verdict after its probe had
 * failed) is asked as well. Without this a search could wait for an answer that nobody will give.
 */
export function askUnknown(turn: Turn, servers: readonly string[]): void {
  for (const server of servers) {
    const health = healthOf(turn.state, server);
    if (standingOf(health) === 'unknown' && health.probe === undefined) {
      probe(turn, server, 'search', searchDeadlineMs(turn, server));
    }
  }
}

/** There is no channel: everybody is asked. `lost`: the server that was left, if the search is due to that. */
export function beginSearch(turn: Turn, lost: string | null): void {
  patch(turn, {
    connectivity: {
      kind: 'disconnected',
      since: turn.at.now,
      lost,
      announced: false,
      search: lost === null ? asking(turn, turn.policy.allDownFirstMs) : afterLoss(turn),
    },
  });
}

/** Whoever waits for a login is not made to wait for others; and the fewer come at once, the sooner its server gets round to it. */
function afterLoss(turn: Turn): Search {
  const { crowdMs, login } = turn.state;
  const waitMs = turn.policy.allDownFirstMs;
  if (crowdMs === 0 || login !== null) return asking(turn, waitMs);
  return { kind: 'dispersing', until: turn.at.now + spread(crowdMs, turn.at.draw), waitMs };
}

/** Asks at once instead of at the end of the wait: the link is up, the machine woke, somebody logs in. */
export function searchNow(turn: Turn): void {
  const { connectivity } = turn.state;
  if (connectivity.kind !== 'disconnected') return;
  if (connectivity.search.kind !== 'waiting' && connectivity.search.kind !== 'dispersing') return;
  setSearch(turn, connectivity, asking(turn, turn.policy.allDownFirstMs));
}

/** Takes the next step as soon as what is known allows it. */
export function settleSearch(turn: Turn): void {
  const { connectivity } = turn.state;
  if (connectivity.kind !== 'disconnected') return;
  const { search } = connectivity;
  const { now } = turn.at;
  if (search.kind === 'opening') {
    if (search.opening.helloBy <= now) openingFailed(turn, 'timeout');
    return;
  }
  if (search.kind === 'dispersing') {
    if (search.until <= now) setSearch(turn, connectivity, asking(turn, search.waitMs));
    return;
  }
  if (search.kind === 'waiting' && search.until <= now) {
    const waitMs = doubling(2, search.waitMs, turn.policy.allDownMaxMs);
    setSearch(turn, connectivity, asking(turn, waitMs));
    return;
  }
  if (search.kind === 'asking') askUnknown(turn, namesOf(turn.state));
  const patience = search.kind === 'asking' && now < search.patienceUntil;
  const candidates = candidatesOf(turn.state.servers, turn.state.health);
  const selection = selectServer(
    candidates.filter(({ name }) => mayHaveChannel(turn, name)),
    patience,
  );
  if (selection.kind === 'chosen') {
    setSearch(turn, connectivity, {
      kind: 'opening',
      opening: openChannel(turn, selection.server),
      waitMs: search.waitMs,
    });
  } else if (selection.kind === 'none' && search.kind === 'asking') {
    nobodyServes(turn, connectivity, search.waitMs);
  }
}

function nobodyServes(turn: Turn, was: Disconnected, waitMs: number): void {
  const until = turn.at.now + jittered(waitMs, turn.at.draw);
  if (!was.announced) record(turn, 'offline', { from: was.lost });
  patch(turn, { connectivity: { ...was, lost: null, announced: true, search: { kind: 'waiting', until, waitMs } } });
}

/** The channel that the search was opening did not come to be: the search goes on with the rest. */
export function openingFailed(turn: Turn, why: string): void {
  const { connectivity } = turn.state;
  if (connectivity.kind !== 'disconnected' || connectivity.search.kind !== 'opening') return;
  const { opening } = connectivity.search;
  closeChannel(turn, opening.channel);
  failedHard(turn, opening.server, why);
  searchOn(turn);
}

/** Chooses again among the servers, by what is known of them now. */
export function searchOn(turn: Turn): void {
  const { connectivity } = turn.state;
  if (connectivity.kind !== 'disconnected') return;
  const { waitMs } = connectivity.search;
  setSearch(turn, connectivity, { kind: 'asking', patienceUntil: turn.at.now, waitMs });
}

/** The chosen server has said hello. */
export function searchEnded(turn: Turn): void {
  const { connectivity } = turn.state;
  if (connectivity.kind !== 'disconnected' || connectivity.search.kind !== 'opening') return;
  const { lost, announced } = connectivity;
  const { opening } = connectivity.search;
  // Lost by one, a server is mostly lost by all: they come to the next one together.
  const isFirst = lost === null && !announced;
  nowConnected(turn, opening, isFirst ? undefined : laterAtRandom(turn));
  if (!isFirst) eventsWaitAWhile(turn);
  if (announced) record(turn, 'online', { server: opening.server });
  else if (lost !== null && lost !== opening.server) recordSwitch(turn, lost, opening.server, 'lost');
}

/** One event tells of a change of servers; its name says in which direction of the list. */
export function recordSwitch(turn: Turn, from: string, to: string, why: string): void {
  const place = (server: string) => turn.state.servers.findIndex(({ name }) => name === server);
  record(turn, place(to) < place(from) ? 'failback' : 'failover', { from, to, why });
}

function asking(turn: Turn, waitMs: number): Search {
  askServers(turn, namesOf(turn.state));
  return { kind: 'asking', patienceUntil: turn.at.now + patienceMs(turn), waitMs };
}

function namesOf({ servers }: AgentState): readonly string[] {
  return servers.map(({ name }) => name);
}

function setSearch(turn: Turn, was: Disconnected, search: Search): void {
  patch(turn, { connectivity: { ...was, search } });
}

/** When the search next needs attention. */
export function searchDueAt({ connectivity }: AgentState, now: number): number {
  if (connectivity.kind !== 'disconnected') return Number.POSITIVE_INFINITY;
  const { search } = connectivity;
  switch (search.kind) {
    case 'asking':
      // Past it, only answers move the search on; each probe has its own deadline.
      return search.patienceUntil > now ? search.patienceUntil : Number.POSITIVE_INFINITY;
    case 'opening':
      return search.opening.helloBy;
    case 'dispersing':
    case 'waiting':
      return search.until;
  }
}
