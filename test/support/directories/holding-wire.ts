import { connect, createServer } from 'node:net';

/** A wire to an LDAP server without TLS that sees who binds. */
export type HoldingWire = AsyncDisposable & {
  readonly url: string;
  /**
   * The next bind with `marker` in its name arrives, and its answer comes after `ms`. Resolves when it has arrived.
   */
  hold(marker: string, ms: number): Promise<void>;
};

export async function createHoldingWire(targetPort: number): Promise<HoldingWire> {
  let wanted: { readonly marker: string; readonly ms: number; arrived(): void } | undefined;
  const ends = new Set<() => void>();
  const server = createServer(near => {
    const far = connect(targetPort, '127.0.0.1');
    let heldMs = 0;
    const end = () => {
      near.destroy();
      far.destroy();
      ends.delete(end);
    };
    ends.add(end);
    for (const socket of [near, far]) socket.setNoDelay(true).on('error', end).on('close', end);
    near.on('data', (data: Buffer) => {
      const hit = wanted !== undefined && isBind(data) && data.includes(wanted.marker) ? wanted : undefined;
      if (hit !== undefined) {
        wanted = undefined;
        heldMs = hit.ms;
      }
      far.write(data, () => hit?.arrived());
    });
    far.on('data', data => {
      if (heldMs === 0) near.write(data);
      else setTimeout(() => near.writable && near.write(data), heldMs);
      heldMs = 0;
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a wire has no port');
  return {
    url: `ldap://127.0.0.1:${address.port}`,
    hold(marker, ms) {
      const { promise: arrival, resolve: arrived } = Promise.withResolvers<void>();
      wanted = { marker, ms, arrived };
      return arrival;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const end of ends) end();
    },
  };
}

/** LDAPMessage ::= SEQUENCE { messageID, protocolOp [APPLICATION 0] … } (RFC 4511, 4.2); lengths below 128 bytes and above. */
function isBind(data: Buffer): boolean {
  const start = data[1] !== undefined && data[1] > 0x7f ? 2 + (data[1] & 0x7f) : 2;
  const idLength = data[start + 1] ?? 0;
  return data[0] === 0x30 && data[start + 2 + idLength] === 0x60;
}
