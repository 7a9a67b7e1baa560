import { createServer, type Socket } from 'node:net';

/** One element of BER (X.690), with a definite length. */
export function ber(tag: number, ...content: readonly (Buffer | string)[]): Buffer {
  const all = Buffer.concat(content.map(each => (typeof each === 'string' ? Buffer.from(each) : each)));
  if (all.length < 0x80) return Buffer.concat([Buffer.from([tag, all.length]), all]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(all.length);
  return Buffer.concat([Buffer.from([tag, 0x84]), length, all]);
}

type Attributes = Readonly<Record<string, readonly (string | Buffer)[]>>;

/** LDAP messages (RFC 4511), under the id of a request. */
export const ldap = {
  message: (id: number, operation: Buffer) => ber(0x30, ber(0x02, intOf(id)), operation),
  result: (operation: number, code: number, diagnostic = '', referral?: string) =>
    ber(
      operation,
      ber(0x0a, Buffer.from([code])),
      ber(0x04, ''),
      ber(0x04, diagnostic),
      ...(referral === undefined ? [] : [ber(0xa3, ber(0x04, referral))]),
    ),
  entry: (dn: string, attributes: Attributes = {}) =>
    ber(
      0x64,
      ber(0x04, dn),
      ber(
        0x30,
        ...Object.entries(attributes).map(([name, values]) =>
          ber(0x30, ber(0x04, name), ber(0x31, ...values.map(value => ber(0x04, value)))),
        ),
      ),
    ),
  reference: (url: string) => ber(0x73, ber(0x04, url)),
};
const BIND = { request: 0x60, answer: 0x61 };
const SEARCH = { request: 0x63, answer: 0x65 };
const UNBIND = 0x42;

function intOf(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export type Script = {
  /** What is answered to a search below the root: operations, before the end of the search where there is none among them. */
  readonly search?: (nth: number) => readonly Buffer[] | 'silence';
  /** To the bind of a user; the service account's succeeds. */
  readonly bind?: () => Buffer;
  /** Instead of all that, after so many answers: whatever bytes. */
  readonly raw?: (socket: Socket, id: number, operation: number) => boolean;
};

/** An LDAP server of a few lines that answers what a test says. Its requests are well-formed: they are ours. */
export async function startScriptedLdap({ search, bind, raw }: Script) {
  const sockets = new Set<Socket>();
  let searches = 0;
  let connections = 0;
  const server = createServer(socket => {
    connections += 1;
    sockets.add(socket);
    let held: Buffer = Buffer.alloc(0);
    const send = (id: number, ...operations: readonly Buffer[]) =>
      socket.write(Buffer.concat(operations.map(each => ldap.message(id, each))));
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      held = Buffer.concat([held, data]);
      for (;;) {
        const message = firstMessage(held);
        if (message === undefined) return;
        held = held.subarray(message.bytes);
        const { id, operation, body } = message;
        if (operation === UNBIND) return void socket.end();
        if (raw?.(socket, id, operation) === true) continue;
        if (operation === BIND.request) {
          const isService = body.includes('cn=service');
          send(id, isService ? ldap.result(BIND.answer, 0) : (bind?.() ?? ldap.result(BIND.answer, 0)));
        } else if (operation === SEARCH.request) {
          // The root entry: base and scope are empty.
          if (body.subarray(0, 2).equals(Buffer.from('0400', 'hex'))) {
            send(id, ldap.entry(''), ldap.result(SEARCH.answer, 0));
            continue;
          }
          searches += 1;
          const said = search?.(searches) ?? [];
          if (said === 'silence') continue;
          const isEnded = said.some(each => each[0] === SEARCH.answer);
          send(id, ...said, ...(isEnded ? [] : [ldap.result(SEARCH.answer, 0)]));
        }
      }
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const { port } = server.address() as { port: number };
  return {
    url: `ldap://127.0.0.1:${port}`,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function firstMessage(bytes: Buffer) {
  const outer = headOf(bytes, 0);
  if (outer === undefined || bytes.length < outer.begins + outer.length) return undefined;
  const id = headOf(bytes, outer.begins);
  const operation = id && headOf(bytes, id.begins + id.length);
  if (id === undefined || operation === undefined) throw new Error('a request of ours is no LDAP message');
  return {
    bytes: outer.begins + outer.length,
    id: bytes.readUIntBE(id.begins, id.length),
    operation: bytes[id.begins + id.length] ?? 0,
    body: bytes.subarray(operation.begins, operation.begins + operation.length),
  };
}

function headOf(bytes: Buffer, at: number): { readonly begins: number; readonly length: number } | undefined {
  const first = bytes[at + 1];
  if (first === undefined) return undefined;
  if (first < 0x80) return { begins: at + 2, length: first };
  const count = first & 0x7f;
  if (bytes.length < at + 2 + count) return undefined;
  return { begins: at + 2 + count, length: bytes.readUIntBE(at + 2, count) };
}
