import type { Connection, ConnectionStatus, EffectiveSettings } from '@thinman/protocol';
import {
  type ClientEnd,
  type ConnectionState,
  type ConnectionStep,
  clientEnded,
  closed,
  opened,
  timePassed,
} from '../../core/connection.ts';
import type { Clock, Random } from '../../ports.ts';
import { planOf, wantsPassword } from '../launchers/plan.ts';
import type { Client, StartClient } from './start-client.ts';

/** Who may open what now. */
export type Desk = {
  /** null: nobody is signed in. */
  readonly user: { readonly id: string; readonly name: string } | null;
  /** In the order of the screen. */
  readonly connections: readonly Connection[];
  /** Of the device. */
  readonly settings: EffectiveSettings;
  /** The password of the login, if it is held. */
  readonly signOn: () => Buffer | undefined;
};

export type Supervisor = {
  /** What one person opened ends before another's begins; what is no longer in the list ends. */
  take(desk: Desk): void;
  list(): readonly ConnectionStatus[];
  /** `unknown`: no connection has this name. */
  connect(name: string): 'done' | 'unknown';
  disconnect(name: string): 'done' | 'unknown';
  /** Ends all clients. Resolves when they have ended. */
  stop(): Promise<void>;
};

export type SupervisorOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly start: StartClient;
  /** A name that no session had before. */
  readonly newMark: () => string;
  /** All clients of this session have ended: what they have left behind ends, too. */
  readonly onSessionOver?: (mark: string) => void;
  /** After every change of what `list` gives. */
  readonly onChange?: () => void;
  /** The person closed the last one. */
  readonly onLastClosed?: () => void;
};

type Entry = { connection: Connection; state: ConnectionState; client: Client | undefined; cancel: () => void };

const NOBODY: Desk = { user: null, connections: [], settings: {}, signOn: () => undefined };

/** Opens connections, opens them again when they drop, falls back, and ends them with the session. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { clock, random, start, newMark, onSessionOver, onChange, onLastClosed } = options;
  let desk = NOBODY;
  /** undefined: nothing was started in this session yet. */
  let mark: string | undefined;
  let entries = new Map<string, Entry>();
  /** Also of those that are being closed and no longer listed. */
  const running = new Set<Client>();

  function carryOut(entry: Entry, step: ConnectionStep): void {
    entry.state = step.state;
    entry.cancel();
    entry.cancel = () => {};
    if (step.effect === 'start') startClient(entry);
    else if (step.effect === 'stop') entry.client?.stop();
    else if (step.effect === 'fallback') openFallback(entry);
    if (entry.state.kind === 'waiting') {
      const delayMs = Math.max(entry.state.until - clock.monotonicMs(), 0);
      entry.cancel = clock.after(delayMs, () => carryOut(entry, timePassed(entry.state, clock.monotonicMs())));
    }
    onChange?.();
  }

  function startClient(entry: Entry): void {
    const { connection } = entry;
    const { user, settings, signOn } = desk;
    const password = wantsPassword(connection) ? signOn() : undefined;
    const person = { user: user?.name ?? null, canSignOn: password !== undefined };
    const plan = planOf(connection, person, settings);
    if (plan.kind === 'unfit') return clientIsGone(entry, { kind: 'unfit', why: plan.why });
    mark ??= newMark();
    const client = start(plan.launch, plan.launch.password === 'stdin' ? password : undefined, mark);
    // At once: who has asked for it is told.
    if (client.unfit !== undefined) return clientIsGone(entry, { kind: 'unfit', why: client.unfit });
    entry.client = client;
    running.add(client);
    client.ended.then(end => {
      running.delete(client);
      if (entry.client === client) clientIsGone(entry, end);
    });
  }

  function clientIsGone(entry: Entry, end: ClientEnd): void {
    entry.client = undefined;
    const before = entry.state.kind;
    carryOut(entry, clientEnded(entry.state, end, entry.connection, clock.monotonicMs(), random()));
    const isLast = ![...entries.values()].some(({ state }) => state.kind === 'open' || state.kind === 'waiting');
    if (before === 'open' && end.kind === 'ended' && isLast) onLastClosed?.();
  }

  /** Once round: of connections that fall back to each other each is tried once. */
  function openFallback({ state }: Entry): void {
    const next = state.kind === 'replaced' ? entries.get(state.by) : undefined;
    if (next === undefined || next.state.kind === 'replaced' || next.state.kind === 'failed') return;
    carryOut(next, opened(next.state, clock.monotonicMs()));
  }

  function endAll(): Promise<void> {
    const over = mark;
    mark = undefined;
    for (const entry of entries.values()) {
      carryOut(entry, closed(entry.state));
      entry.client = undefined; // whatever becomes of it, it belongs to nobody any more
    }
    entries = new Map();
    const ended = Promise.all([...running].map(client => client.ended));
    return ended.then(() => {
      if (over !== undefined) onSessionOver?.(over);
    });
  }

  return {
    take(next) {
      if (next.user?.id !== desk.user?.id) void endAll();
      const before = entries;
      desk = next;
      entries = new Map();
      for (const connection of next.connections) {
        const entry = before.get(connection.name);
        // What is open goes on as it was opened.
        if (entry !== undefined) entry.connection = connection;
        entries.set(
          connection.name,
          entry ?? { connection, state: { kind: 'closed' }, client: undefined, cancel() {} },
        );
      }
      for (const [name, entry] of before) if (!entries.has(name)) carryOut(entry, closed(entry.state));
      for (const [name, entry] of entries) {
        if (!before.has(name) && entry.connection.autostart === true) {
          carryOut(entry, opened(entry.state, clock.monotonicMs()));
        }
      }
      onChange?.();
    },
    list: () => [...entries.values()].map(statusOf),
    connect(name) {
      const entry = entries.get(name);
      if (entry === undefined) return 'unknown';
      carryOut(entry, opened(entry.state, clock.monotonicMs()));
      return 'done';
    },
    disconnect(name) {
      const entry = entries.get(name);
      if (entry === undefined) return 'unknown';
      carryOut(entry, closed(entry.state));
      return 'done';
    },
    async stop() {
      const ended = endAll();
      desk = NOBODY;
      await ended;
    },
  };
}

function statusOf({ connection, state }: Entry): ConnectionStatus {
  const { name, title, type, order, autostart = false } = connection;
  return {
    name,
    type,
    autostart,
    ...(title !== undefined && { title }),
    ...(order !== undefined && { order }),
    state: state.kind,
    why: 'why' in state && state.why !== '' ? state.why : null,
    fallback: state.kind === 'replaced' ? state.by : null,
  };
}
