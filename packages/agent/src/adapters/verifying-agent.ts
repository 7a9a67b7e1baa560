import { Agent } from 'node:https';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ConnectFailure } from './tls.ts';

/** Makes one connection and calls `done` once; gives back how to give up. `connectTls` is one. */
export type Connect = (done: (failure: Error | undefined, socket: TLSSocket | undefined) => void) => () => void;

export type KeptConnections = {
  /** Idle ones. For more questions at a time more are made, and ended afterwards. */
  readonly most: number;
  /** An idle one is kept this long, unless the server's keep-alive hint says less; left out: as long as the server keeps it. */
  readonly idleMs?: number;
};

/**
 * TCP's own probes of a connection that rests begin after this; Node's default of a second costs 200 kB an hour for each. Longer than
 * any connection rests here: an idle one ends before, and a channel has its pings.
 */
const PROBE_AFTER_MS = 120_000;

/** Hands `node:https` connections whose other end has been verified already. For one server. */
export class VerifyingAgent extends Agent {
  readonly #connect: Connect;
  readonly #connecting = new Set<() => void>();
  #isClosed = false;

  /** Without `kept` each connection serves once. */
  constructor(connect: Connect, kept?: KeptConnections) {
    const { most, idleMs } = kept ?? {};
    super({
      keepAlive: most !== undefined,
      keepAliveMsecs: PROBE_AFTER_MS,
      ...(most !== undefined && { maxFreeSockets: most }),
      ...(idleMs !== undefined && { timeout: idleMs }),
    });
    this.#connect = connect;
  }

  override createConnection(_options: unknown, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    const tell = (failure: Error | undefined, socket: TLSSocket | undefined) => {
      // On failure Node reads the error alone; its types ask for a stream all the same.
      if (failure !== undefined || socket === undefined) callback?.(failure ?? new Error('no socket'), new Duplex());
      else callback?.(null, socket);
    };
    if (this.#isClosed) return void queueMicrotask(() => tell(new ConnectFailure('aborted', 'closed'), undefined));
    const giveUp = this.#connect((failure, socket) => {
      this.#connecting.delete(giveUp);
      tell(failure, socket);
    });
    this.#connecting.add(giveUp);
  }

  /**
   * Of a connection over which nothing was asked, as whoever wanted it gave up meanwhile, the server says nothing of how long it keeps it: it
   * would be cut in the moment in which the next login is sent over it.
   */
  override keepSocketAlive(socket: Duplex): boolean {
    // Node's types have it return nothing; it does.
    return (socket as TLSSocket).bytesWritten > 0 && (super.keepSocketAlive(socket) as unknown as boolean);
  }

  /** Connections that are being made are not waited for any more. */
  giveUp(): void {
    for (const giveUp of [...this.#connecting]) giveUp();
  }

  /** What is under way ends by itself, and its connection with it. Nothing new must be asked. */
  retire(): void {
    this.maxFreeSockets = 0;
    for (const socket of Object.values(this.freeSockets).flat()) socket?.destroy();
  }

  /** Ends everything, also what is under way: it fails. Nobody is connected afterwards. */
  override destroy(): void {
    this.#isClosed = true;
    this.giveUp();
    super.destroy();
  }
}
