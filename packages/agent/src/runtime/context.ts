import type { StatementServer } from '@thinman/protocol';
import type { Event } from '../core/event.ts';
import type { AgentState } from '../core/state.ts';
import type {
  Answer,
  Cache,
  ChannelConnector,
  Clock,
  DeviceIdentity,
  Hasher,
  IdentityStore,
  Random,
  Sealing,
  ServerClient,
  StatementVerifier,
} from '../ports.ts';
import type { Keyring } from './keyring.ts';
import type { TrustedTime } from './store.ts';

/** All that the runner does IO with. */
export type RunnerPorts = {
  readonly identity: DeviceIdentity;
  readonly identityStore: IdentityStore;
  readonly client: ServerClient;
  readonly channels: ChannelConnector;
  readonly hasher: Hasher;
  readonly sealing: Sealing;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly random: Random;
  /** A random UUID (version 4). */
  readonly uuid: () => string;
  readonly verifyStatement: StatementVerifier;
};

type WithoutMoment<E> = E extends unknown ? Omit<E, 'at'> : never;
/** An event before the runner gives it its moment. */
export type Happening = WithoutMoment<Event>;

/** What the parts of the runner share. */
export type Context = RunnerPorts & {
  readonly keyring: Keyring;
  readonly time: TrustedTime;
  readonly attempts: Attempts;
  /** Unix ms, as far as this device can know it: a server's time where one was heard (`failover.md`, Clock), else its own clock's. */
  nowMs(): number;
  /** A fresh UUIDv7, dated now, or `atMs`. */
  newId(atMs?: number): string;
  state(): AgentState;
  dispatch(happening: Happening): void;
  /** As the newest statement has it; undefined: not in it. */
  server(name: string): StatementServer | undefined;
  /** An event into the outbox. */
  record(type: string, data: Readonly<Record<string, unknown>>, user?: string): void;
  /** Whoever applies bundles records `bundle.applied`, with what became of each section. */
  readonly toldByAppliers: boolean;
  /** Something that should not have happened; the agent goes on. */
  defect(error: unknown): void;
};

/** Requests under way, by attempt id. */
export type Attempts = {
  /** Makes a call of a server; `then` hears the answer unless the attempt was cancelled. No answer in time: `timeout`. */
  run<T>(
    attempt: number,
    server: string,
    deadlineMs: number | undefined,
    call: (server: StatementServer, signal: AbortSignal) => Promise<Answer<T>>,
    then: (answer: Answer<T>) => void,
  ): void;
  /** Keeps what an answer brought until the core says what becomes of it. */
  keep(attempt: number, parcel: unknown): void;
  /** Takes it out. */
  take(attempt: number): unknown;
  cancel(attempt: number): void;
  cancelAll(): void;
};
