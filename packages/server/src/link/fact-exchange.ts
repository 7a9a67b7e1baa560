import { ENDED_SHARED_MS, FAILURES_SHARED_MS, type FactsFrame, GRANTS_SHARED_MS, LINK_FACTS } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { Clock, EndedSession, FailureFact, GrantFact, Journal, LockoutEvidence } from '../ports.ts';
import { inChunks } from './chunks.ts';

/**
 * New facts that a Secondary may tell at once, and each second after that. A ward full of wrong passwords makes a few a second,
 * a site of 2,000 devices that was cut in two for a day some 10,000; what is beyond would only fill this server's disk.
 */
const DEFAULT_PACE: FactPace = { atOnce: 50_000, perSecond: 100 };
const MS_PER_SECOND = 1000;
/**
 * A grant that is told again seems this much later at the most: its age says when it was told, not how long that took. Without
 * it each new link would write a week of grants anew.
 */
const GRANT_GRAIN_MS = 5_000;

export type FactPace = { readonly atOnce: number; readonly perSecond: number };

/** Resolves when the frame has left this process: the next page waits for it. */
type SendFacts = (frame: FactsFrame) => Promise<void>;

/** The other end of a link, as far as facts go. */
export type FactPeer = {
  /** It told this. Never rejects. */
  take(frame: FactsFrame): Promise<void>;
  /** Its link is gone. */
  leave(): void;
};

/** What counts for the lockout, and which sessions are over, alike on all servers that see each other (`failover.md`, Lockout). */
export type FactExchange = {
  /** These were seen here and are written down. */
  happened(evidence: LockoutEvidence): void;
  /**
   * A link is up: sends what the journal holds and the other end has not told itself, and from then on each new fact.
   * `trust`: a Primary's word counts as it is; a Secondary's as far as it can know.
   */
  meet(server: string, send: SendFacts, trust: 'primary' | 'secondary'): FactPeer;
};

export type FactExchangeOptions = {
  readonly journal: Pick<
    Journal,
    'append' | 'knowsFailure' | 'lastGrantMs' | 'failuresFor' | 'grantsFor' | 'isEnded' | 'endedFor'
  >;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  /** What this server has heard of: a Secondary cannot know of devices and users that the Primary has not. */
  readonly knows: { device(uid: string): boolean; user(name: string): boolean };
  readonly log: Pick<Logger, 'warn' | 'error'>;
  /** What is taken from one Secondary. */
  readonly pace?: FactPace;
};

type Peer = { readonly server: string; readonly send: SendFacts };

export function createFactExchange(options: FactExchangeOptions): FactExchange {
  const { journal, clock, knows, log, pace = DEFAULT_PACE } = options;
  const peers = new Set<Peer>();
  const budgets = new Map<string, Budget>();
  let fresh: { readonly evidence: LockoutEvidence; readonly from: Peer | undefined }[] = [];

  /** What comes together goes together: logins of one group commit make one frame. */
  function spread(evidence: LockoutEvidence, from: Peer | undefined): void {
    if (countOf(evidence) === 0) return;
    if (fresh.push({ evidence, from }) === 1) setImmediate(spreadNow);
  }

  function spreadNow(): void {
    const news = fresh;
    fresh = [];
    for (const peer of peers) {
      const forIt = news.filter(({ from }) => from !== peer).map(({ evidence }) => evidence);
      const failures = forIt.flatMap(evidence => evidence.failures);
      const grants = forIt.flatMap(evidence => evidence.grants);
      const ended = forIt.flatMap(evidence => evidence.ended ?? []);
      void send(peer, { failures, grants, ended });
    }
  }

  async function send(peer: Peer, { failures, grants, ended = [] }: LockoutEvidence): Promise<void> {
    const nowMs = clock.nowMs();
    const age = (atMs: number) => Math.max(0, nowMs - atMs);
    const toldFailures = failures
      .map(({ atMs, ...fact }) => ({ ...fact, ageMs: age(atMs) }))
      .filter(({ ageMs }) => ageMs <= FAILURES_SHARED_MS);
    const toldGrants = grants
      .map(({ atMs, ...fact }) => ({ ...fact, ageMs: age(atMs) }))
      .filter(({ ageMs }) => ageMs <= GRANTS_SHARED_MS);
    const toldEnds = ended
      .map(({ loginId, atMs }) => ({ loginId, ageMs: age(atMs) }))
      .filter(({ ageMs }) => ageMs <= ENDED_SHARED_MS);
    // First: whoever was sent away somewhere is not to be let on elsewhere.
    for (const some of inChunks(toldEnds, LINK_FACTS)) {
      await peer.send({ type: 'facts', failures: [], grants: [], ended: some });
    }
    for (const some of inChunks(toldFailures, LINK_FACTS)) {
      await peer.send({ type: 'facts', failures: some, grants: [] });
    }
    for (const some of inChunks(toldGrants, LINK_FACTS)) {
      await peer.send({ type: 'facts', failures: [], grants: some });
    }
  }

  /** Page by page, so that neither memory nor other work waits for a large window. */
  async function sendWindow(peer: Peer): Promise<void> {
    const { server } = peer;
    const failuresAfter = (after: FailureFact | undefined) =>
      journal.failuresFor({
        server,
        sinceMs: clock.nowMs() - FAILURES_SHARED_MS,
        limit: LINK_FACTS,
        ...(after && { after }),
      });
    const grantsAfter = (after: GrantFact | undefined) =>
      journal.grantsFor({
        server,
        sinceMs: clock.nowMs() - GRANTS_SHARED_MS,
        limit: LINK_FACTS,
        ...(after && { after }),
      });
    const endedAfter = (after: EndedSession | undefined) =>
      journal.endedFor({
        server,
        sinceMs: clock.nowMs() - ENDED_SHARED_MS,
        limit: LINK_FACTS,
        ...(after && { after }),
      });
    for (let page = endedAfter(undefined); page.length > 0 && peers.has(peer); page = endedAfter(page.at(-1))) {
      await send(peer, { failures: [], grants: [], ended: page });
    }
    for (let page = failuresAfter(undefined); page.length > 0 && peers.has(peer); page = failuresAfter(page.at(-1))) {
      await send(peer, { failures: page, grants: [] });
    }
    for (let page = grantsAfter(undefined); page.length > 0 && peers.has(peer); page = grantsAfter(page.at(-1))) {
      await send(peer, { failures: [], grants: page });
    }
  }

  /** What is new here of what was told, by this server's own clock. */
  function newsIn({ failures, grants, ended = [] }: FactsFrame, trust: 'primary' | 'secondary'): LockoutEvidence {
    const nowMs = clock.nowMs();
    const canKnow = (fact: { readonly deviceId: string }) => trust === 'primary' || knows.device(fact.deviceId);
    return {
      // A name that nobody has counts as well: it is typed.
      failures: failures
        .filter(canKnow)
        .map(({ ageMs, ...fact }): FailureFact => ({ ...fact, atMs: nowMs - ageMs }))
        .filter(fact => !journal.knowsFailure(fact)),
      grants: grants
        .filter(fact => canKnow(fact) && (trust === 'primary' || knows.user(fact.user)))
        .map(({ ageMs, ...fact }): GrantFact => ({ ...fact, atMs: nowMs - ageMs }))
        .filter(({ deviceId, user, atMs }) => {
          const heldMs = journal.lastGrantMs(deviceId, user);
          return heldMs === undefined || atMs > heldMs + GRANT_GRAIN_MS;
        }),
      ended: ended
        .filter(({ loginId }) => !journal.isEnded(loginId))
        .map(({ loginId, ageMs }): EndedSession => ({ loginId, atMs: nowMs - ageMs })),
    };
  }

  function budgetOf(server: string): Budget {
    const budget = budgets.get(server) ?? createBudget(clock, pace);
    budgets.set(server, budget);
    return budget;
  }

  return {
    happened: evidence => spread(evidence, undefined),
    meet(server, sendFacts, trust) {
      const peer: Peer = { server, send: sendFacts };
      let overdrawn = false;
      peers.add(peer);
      sendWindow(peer).catch(error => log.warn({ server, err: error }, 'link: facts could not be told'));
      return {
        async take(frame) {
          try {
            const news = newsIn(frame, trust);
            const count = countOf(news);
            if (count === 0) return;
            if (trust === 'secondary' && !budgetOf(server).spend(count)) {
              if (!overdrawn) log.error({ server }, 'link: a Secondary tells more facts than logins can make; ignored');
              overdrawn = true;
              return;
            }
            await journal.append({ events: [], heard: { from: server, ...news } });
            spread(news, peer);
          } catch (error) {
            log.warn({ server, err: error }, 'link: facts of another server could not be written down');
          }
        },
        leave: () => void peers.delete(peer),
      };
    },
  };
}

const countOf = ({ failures, grants, ended = [] }: LockoutEvidence) => failures.length + grants.length + ended.length;

type Budget = { spend(count: number): boolean };

function createBudget(clock: Pick<Clock, 'monotonicMs'>, { atOnce, perSecond }: FactPace): Budget {
  let left = atOnce;
  let countedMs = clock.monotonicMs();
  return {
    spend(count) {
      const nowMs = clock.monotonicMs();
      left = Math.min(atOnce, left + ((nowMs - countedMs) * perSecond) / MS_PER_SECOND);
      countedMs = nowMs;
      if (count > left) return false;
      left -= count;
      return true;
    },
  };
}
