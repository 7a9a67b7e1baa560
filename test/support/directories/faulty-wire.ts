import { connect, createServer, type Socket } from 'node:net';

/**
 * A wire to a server: from one chunk of data on, the connection that carried it is cut, its answers are lost, or come late (`slow`), or
 * nothing happens but that it is told (`none`).
 */
export type FaultyWire = AsyncDisposable & {
  readonly port: number;
  /** The fault has happened. */
  hit(): boolean;
};

export type WireFault = 'cut' | 'silence' | 'slow' | 'none';

/** Longer than a bind is waited for without a look at its server (1 s), and short enough for a login (4 s). */
const SLOW_MS = 1_400;

/** `chunk`: which one sent to the server, over all connections, beginning with 1. It still arrives. */
export async function createFaultyWire(
  targetPort: number,
  chunk: number,
  fault: WireFault,
  onHit: () => void = () => {},
): Promise<FaultyWire> {
  const sockets = new Set<Socket>();
  let sent = 0;
  const server = createServer(near => {
    const far = connect(targetPort, '127.0.0.1');
    let silent = false;
    let slow = false;
    const late = new Set<NodeJS.Timeout>();
    const end = () => {
      for (const timer of late) clearTimeout(timer);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', end).on('close', end);
    }
    near.on('data', data => {
      sent += 1;
      if (sent !== chunk) return void far.write(data);
      if (fault === 'silence') silent = true;
      if (fault === 'slow') slow = true;
      onHit();
      far.write(data, () => {
        if (fault !== 'cut') return;
        near.resetAndDestroy();
        // What was written arrives: the server is not told of the end before it has read.
        far.end();
      });
    });
    far.on('data', data => {
      if (silent) return;
      if (slow) late.add(setTimeout(() => near.write(data), SLOW_MS));
      else near.write(data);
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a wire has no port');
  return {
    port: address.port,
    hit: () => sent >= chunk,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
