import { Agent } from 'node:https';
import { Duplex } from 'node:stream';
import type { connectTls } from './tls.ts';

type Done = Parameters<typeof connectTls>[1];

/** Hands `node:https` connections whose other end has been verified already. One that is free again is kept for the next request. */
export class VerifyingAgent extends Agent {
  readonly #connect: (done: Done) => () => void;
  readonly #underway = new Set<() => void>();

  /** `connect` returns how to give up. */
  constructor(connect: (done: Done) => () => void) {
    super({ keepAlive: true, maxFreeSockets: 1 });
    this.#connect = connect;
  }

  override createConnection(_options: unknown, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    const giveUp = this.#connect((failure, socket) => {
      this.#underway.delete(giveUp);
      // On failure Node reads the error alone; its types ask for a stream all the same.
      if (failure !== undefined || socket === undefined) callback?.(failure ?? new Error('no socket'), new Duplex());
      else callback?.(null, socket);
    });
    this.#underway.add(giveUp);
  }

  /** Ends the connections that are being made. */
  giveUp(): void {
    for (const giveUp of [...this.#underway]) giveUp();
  }

  override destroy(): void {
    this.giveUp();
    super.destroy();
  }
}
