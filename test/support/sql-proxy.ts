import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * What happens to the connection that carries a certain statement.
 * - `lost`: the statement does not arrive, and the connection is reset.
 * - `unanswered`: it arrives and is carried out, but its answer does not come back: the connection is reset instead.
 * - `late`: the same, but it arrives a second after that.
 * - `silent`: from then on nothing passes either way, and neither side is told.
 */
export type Accident = 'lost' | 'unanswered' | 'late' | 'silent';

/** Longer than whoever was cut off needs to come again. */
const LATE_MS = 1_000;

/** A wire between a server and its database, on which accidents happen to one statement. */
export type SqlProxy = AsyncDisposable & {
  readonly port: number;
  /** Connections that were made over it so far. */
  readonly connections: number;
  /** Resolves when it has happened, which is once. */
  next(accident: Accident, statement: string): Promise<void>;
};

export async function createSqlProxy(target: { readonly host: string; readonly port: number }): Promise<SqlProxy> {
  const sockets = new Set<Socket>();
  let planned: { readonly accident: Accident; readonly statement: string; readonly happened: () => void } | undefined;
  let connections = 0;

  const server = createServer(client => {
    connections++;
    const database = connect(target.port, target.host);
    let after: Accident | undefined;
    const reset = () => {
      for (const socket of [client, database]) if (!socket.destroyed) socket.resetAndDestroy();
    };
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket
        .setNoDelay(true)
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(socket);
          if (after !== 'silent' && after !== 'late') for (const end of [client, database]) end.destroy();
        });
    }
    client.on('data', chunk => {
      if (after !== undefined) return;
      if (planned !== undefined && chunk.includes(planned.statement)) {
        const { accident, happened } = planned;
        planned = undefined;
        after = accident;
        if (accident === 'unanswered') {
          database.write(chunk);
          database.once('data', () => {
            reset();
            happened();
          });
          return;
        }
        if (accident === 'late') {
          client.resetAndDestroy();
          setTimeout(() => database.end(chunk), LATE_MS);
        }
        if (accident === 'lost') reset();
        happened();
        return;
      }
      database.write(chunk);
    });
    database.on('data', chunk => {
      if (after === undefined) client.write(chunk);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    next: (accident, statement) =>
      new Promise(happened => {
        planned = { accident, statement, happened };
      }),
    [Symbol.asyncDispose]: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
