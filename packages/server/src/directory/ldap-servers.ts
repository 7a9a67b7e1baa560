import type { Clock } from '../ports.ts';
import { type Breaker, CLOSED, opened, orderOf } from './breaker.ts';
import { type Connection, type Endpoint, NoAnswer, openConnection } from './connection.ts';
import { type LdapServer, ldapServer, type ServiceAccount } from './ldap-server.ts';

/** The password was sent, and its server lives and has not answered: no other one is asked with it. */
export class Undecided extends Error {
  override readonly name = 'Undecided';
}

/** How one server stands. `sinceMs`: Unix ms, since when it does; `lastError`: why it was left out the last time. Both null: it never was. */
export type Standing = {
  readonly url: string;
  readonly breaker: Breaker['kind'];
  readonly sinceMs: number | null;
  readonly lastError: string | null;
};

/** The ordered servers of one directory. */
export type LdapServers = {
  /**
   * On the first server that answers. After NoAnswer the next one is tried; any other error ends it. Rejects with NoAnswer when none
   * is left, or the time is over.
   */
  run<T>(work: (server: LdapServer) => Promise<T>, untilMs: number): Promise<T>;
  /** In the order of the list. */
  standings(): readonly Standing[];
  close(): void;
};

/** A probe in the background may take its time. */
const PROBE_MS = 5_000;

export function createLdapServers(
  endpoints: readonly Endpoint[],
  account: ServiceAccount | undefined,
  deps: {
    readonly clock: Clock;
    readonly random: () => number;
    /** A server of the directory stopped answering, or answers again. */
    onChange(url: string, state: Breaker['kind'], why: string): void;
    readonly open?: (endpoint: Endpoint, deadlineMs: number) => Promise<Connection>;
  },
): LdapServers {
  const { clock, random, onChange } = deps;
  const open = deps.open ?? ((endpoint, deadlineMs) => openConnection(endpoint, deadlineMs, clock));
  const servers = endpoints.map(endpoint => ldapServer(endpoint, account, open, clock));
  const breakers: Breaker[] = endpoints.map(() => CLOSED);
  const turns: { sinceMs: number | null; lastError: string | null }[] = endpoints.map(() => {
    return { sinceMs: null, lastError: null };
  });
  const probes = new Map<number, () => void>();
  let isClosed = false;

  function failed(at: number, why: string): void {
    const before = breakers[at] ?? CLOSED;
    // Many logins may find out at once: it has failed once.
    if (isClosed || probes.has(at)) return;
    const breaker = opened(before, clock.monotonicMs(), random());
    breakers[at] = breaker;
    servers[at]?.drop();
    const turn = turns[at];
    if (turn !== undefined) turn.lastError = why;
    if (before.kind === 'closed') turned(at, 'open', why);
    probes.set(
      at,
      clock.after(breaker.untilMs - clock.monotonicMs(), () => void probe(at)),
    );
  }

  function answered(at: number): void {
    probes.get(at)?.();
    probes.delete(at);
    if (breakers[at]?.kind !== 'open') return;
    breakers[at] = CLOSED;
    turned(at, 'closed', 'it answers again');
  }

  function turned(at: number, kind: Breaker['kind'], why: string): void {
    const turn = turns[at];
    if (turn !== undefined) turn.sinceMs = clock.nowMs();
    onChange(endpoints[at]?.url ?? '', kind, why);
  }

  async function probe(at: number): Promise<void> {
    try {
      await servers[at]?.service(PROBE_MS);
      answered(at);
    } catch (error) {
      probes.delete(at);
      failed(at, wordsOf(error));
    }
  }

  return {
    async run(work, untilMs) {
      let last: unknown = new NoAnswer('no server of this directory answers');
      for (const at of orderOf(breakers)) {
        const server = servers[at];
        if (server === undefined || isClosed || clock.monotonicMs() >= untilMs) break;
        try {
          const value = await work(server);
          answered(at);
          return value;
        } catch (error) {
          if (!(error instanceof NoAnswer)) throw error;
          failed(at, error.message);
          last = error;
        }
      }
      throw last;
    },
    standings: () =>
      endpoints.map(({ url }, at) => {
        const { sinceMs = null, lastError = null } = turns[at] ?? {};
        return { url, breaker: breakers[at]?.kind ?? 'closed', sinceMs, lastError };
      }),
    close() {
      isClosed = true;
      for (const cancel of probes.values()) cancel();
      probes.clear();
      for (const server of servers) server.drop();
    },
  };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : 'it does not answer';
}
