import { connect, createServer, type Socket } from 'node:net';

/** A wire to a server that lives: from one chunk of data on, the connection that carried it is cut, or its answers are lost. */
export type FaultyWire = AsyncDisposable & {
  readonly port: number;
  /** The fault has happened. */
  hit(): boolean;
};

/** `chunk`: which one sent to the server, over all connections, beginning with 1. It still arrives. */
export async function createFaultyWire(
  targetPort: number,
  chunk: number,
  fault: 'cut' | 'silence',
): Promise<FaultyWire> {
  const sockets = new Set<Socket>();
  let sent = 0;
  const server = createServer(near => {
    const far = connect(targetPort, '127.0.0.1');
    let silent = false;
    const end = () => {
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
      far.write(data, () => {
        if (fault !== 'cut') return;
        near.resetAndDestroy();
        // What was written arrives: the server is not told of the end before it has read.
        far.end();
      });
    });
    far.on('data', data => {
      if (!silent) near.write(data);
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
