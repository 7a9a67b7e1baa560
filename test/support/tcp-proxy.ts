import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A wire between devices and one server that can be cut and held, as a switch or a firewall does it. */
export type TcpProxy = AsyncDisposable & {
  readonly port: number;
  /** Connections that came so far. */
  connections(): number;
  /** Ends every connection and refuses new ones until `mend`. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  /**
   * From now on what the server answers is kept back; what it is sent still arrives. Resolves `heard` at the first byte. A connection that
   * is made meanwhile has its handshake answered: else it could send nothing that might be answered.
   */
  holdAnswers(): { readonly heard: Promise<void> };
  /** Lets through what was kept back, and everything after it. */
  releaseAnswers(): void;
  /** From now on each piece, either way, takes so long, in order; without: none. As a line behind other lines. */
  slow(delayMs?: () => number): void;
};

/** `port`: where it listens (127.0.0.1). `targetPort`: where the server does. */
export async function createTcpProxy(port: number, targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  let delayMs: (() => number) | undefined;
  let held: { onHeard: () => void; readonly chunks: (() => void)[] } | undefined;

  const server = createServer(device => {
    connections += 1;
    const target = connect(targetPort, '127.0.0.1');
    const pair = [device, target] as const;
    pairs.add(pair);
    let greeting: 'waits' | 'answered' | 'over' = held === undefined ? 'over' : 'waits';
    const end = () => {
      pairs.delete(pair);
      device.destroy();
      target.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on('error', end).on('close', end);
    const toTarget = line(chunk => target.write(chunk));
    const toDevice = line(chunk => device.write(chunk));
    device.on('data', (chunk: Buffer) => {
      held?.onHeard();
      if (greeting === 'answered') greeting = 'over';
      toTarget(chunk);
    });
    target.on('data', (chunk: Buffer) => {
      if (greeting === 'waits') greeting = 'answered';
      if (held === undefined || greeting === 'answered') toDevice(chunk);
      else held.chunks.push(() => toDevice(chunk));
    });
  });
  /** In order, however unlike the delays are. */
  const line = (send: (chunk: Buffer) => void) => {
    let free = Promise.resolve();
    let waiting = 0;
    return (chunk: Buffer): void => {
      if (delayMs === undefined && waiting === 0) return send(chunk);
      const atMs = performance.now() + (delayMs?.() ?? 0);
      waiting += 1;
      free = free.then(async () => {
        await delay(Math.max(atMs - performance.now(), 0));
        waiting -= 1;
        send(chunk);
      });
    };
  };
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const cut = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve());
      for (const [device, target] of pairs) {
        // A reset, as when a host is gone: no orderly end.
        device.resetAndDestroy();
        target.destroy();
      }
    });
  await listen();

  return {
    port,
    connections: () => connections,
    cut,
    mend: listen,
    holdAnswers: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = { onHeard: resolve, chunks: [] };
      return { heard: promise };
    },
    releaseAnswers: () => {
      const chunks = held?.chunks ?? [];
      held = undefined;
      for (const send of chunks) send();
    },
    slow: next => {
      delayMs = next;
    },
    [Symbol.asyncDispose]: async () => {
      if (server.listening) await cut();
    },
  };
}
