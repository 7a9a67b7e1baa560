import type { Clock } from '../ports.ts';
import { type Breaker, CLOSED, opened, orderOf } from './breaker.ts';
import { type Connection, type Endpoint, NoAnswer, openConnection } from './connection.ts';
import { type LdapServer, ldapServer, type ServiceAccount } from './ldap-server.ts';

/** The password was sent, and its server lives and has not answered: no other one is asked with it. */
export class Undecided extends Error {
  override readonly name = 'Undecided';
}

/** The ordered servers of one directory. */
export type LdapServers = {
  /**
   * On the first server that answers. After NoAnswer the next one is tried; any other error ends it. Rejects with NoAnswer when none
   * is left, or the time is over.
   */
  run<T>(work: (server: LdapServer) => Promise<T>, untilMs: number): Promise<T>;
  /** By URL, in the order of the list. */
  breakers(): readonly (readonly [string, Breaker['kind']])[];
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
  const probes = new Map<number, () => void>();
  let isClosed = false;

  function failed(at: number, why: string): void {
    const before = breakers[at] ?? CLOSED;
    // Many logins may find out at once: it has failed once.
    if (isClosed || probes.has(at)) return;
    const breaker = opened(before, clock.monotonicMs(), random());
    breakers[at] = breaker;
    servers[at]?.drop();
    if (before.kind === 'closed') onChange(endpoints[at]?.url ?? '', 'open', why);
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
    onChange(endpoints[at]?.url ?? '', 'closed', 'it answers again');
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
    breakers: () => endpoints.map(({ url }, at) => [url, breakers[at]?.kind ?? 'closed'] as const),
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
