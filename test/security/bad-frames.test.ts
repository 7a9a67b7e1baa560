import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CHANNEL_PATH, MAX_FRAME_BYTES, PROTOCOL_HEADER, PROTOCOL_VERSION } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, type TestDevice } from '../support/device-site.ts';
import { type RawTls, rawTls } from '../support/raw-tls.ts';

const MASK = Buffer.from([1, 2, 3, 4]);
const OP = { more: 0, text: 1, binary: 2, close: 8, ping: 9 } as const;
const FIN = 0x80;

/** A frame as a client sends it, or as it must not (RFC 6455, 5.2). */
function frame(op: number, payload: Buffer, how: { readonly masked?: boolean; readonly length?: number } = {}): Buffer {
  const { masked = true, length = payload.length } = how;
  const bit = masked ? 0x80 : 0;
  let size: Buffer;
  if (length < 126) size = Buffer.of(bit | length);
  else if (length < 65_536) {
    size = Buffer.alloc(3, bit | 126);
    size.writeUInt16BE(length, 1);
  } else {
    size = Buffer.alloc(9, bit | 127);
    size.writeBigUInt64BE(BigInt(length), 1);
  }
  const body = masked ? payload.map((byte, at) => byte ^ (MASK[at % 4] ?? 0)) : payload;
  return Buffer.concat([Buffer.of(op), size, ...(masked ? [MASK] : []), body]);
}

const HELLO = Buffer.from(JSON.stringify({ type: 'hello', agentVersion: '0', users: [], statement: [0, 0] }));

let site: DeviceSite;
let device: TestDevice;
before(async () => {
  site = await createDeviceSite();
  device = await site.addDevice('tc-1');
});
after(() => site.close());

/** A channel whose upgrade is done; every frame is the test's. */
async function rawChannel(): Promise<RawTls> {
  const raw = await rawTls({ port: site.primary.port, ca: site.ca.certificatePem, ...(device.tls ?? {}) });
  raw.send(
    [
      `GET ${CHANNEL_PATH} HTTP/1.1`,
      'host: a',
      'connection: upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      `sec-websocket-key: ${randomBytes(16).toString('base64')}`,
      `${PROTOCOL_HEADER}: ${PROTOCOL_VERSION}`,
      '',
      '',
    ].join('\r\n'),
  );
  await raw.until('the upgrade', heard => heard.startsWith('HTTP/1.1 101 ') && heard.includes('\r\n\r\n'));
  return raw;
}

/** The code of the close frame that came last. */
async function closeCode(raw: RawTls): Promise<number> {
  const heard = Buffer.from(
    await raw.until('a close frame', text => text.slice(text.indexOf('\r\n\r\n') + 4).includes('\x88')),
    'latin1',
  );
  const code = heard.readUInt16BE(heard.lastIndexOf(FIN | OP.close) + 2);
  raw.socket.destroy();
  return code;
}

describe('a frame that breaks the rules of WebSockets ends its channel, and nothing else', () => {
  const BROKEN: Readonly<Record<string, readonly [code: number, bytes: Buffer]>> = {
    'without a mask': [1002, frame(FIN | OP.text, HELLO, { masked: false })],
    'with a reserved bit, as if it were compressed': [1002, frame(FIN | 0x40 | OP.text, HELLO)],
    'of an unknown kind': [1002, frame(FIN | 3, HELLO)],
    'that goes on with nothing': [1002, frame(FIN | OP.more, HELLO)],
    'a ping of more than 125 bytes': [1002, frame(FIN | OP.ping, Buffer.alloc(126))],
    'a ping in pieces': [1002, frame(OP.ping, Buffer.alloc(1))],
    'a close with half a code': [1002, frame(FIN | OP.close, Buffer.alloc(1))],
    'text that is no UTF-8': [1007, frame(FIN | OP.text, Buffer.of(0xff, 0xfe))],
    binary: [1007, frame(FIN | OP.binary, HELLO)],
    'above the limit, of which only the head has come': [
      1009,
      frame(FIN | OP.text, HELLO, { length: MAX_FRAME_BYTES + 1 }),
    ],
    'of 2^63 bytes': [1009, frame(FIN | OP.text, HELLO, { length: 2 ** 52 })],
    'in pieces that together are above the limit': [
      1009,
      Buffer.concat([frame(OP.text, Buffer.alloc(MAX_FRAME_BYTES, 0x20)), frame(FIN | OP.more, Buffer.alloc(1, 0x20))]),
    ],
    'in twenty thousand pieces': [
      1008,
      Buffer.concat([
        frame(OP.text, Buffer.of(0x20)),
        ...Array.from({ length: 20_000 }, () => frame(OP.more, Buffer.of(0x20))),
      ]),
    ],
  };
  for (const [what, [code, bytes]] of Object.entries(BROKEN)) {
    test(what, async () => {
      const raw = await rawChannel();
      raw.send(bytes);
      assert.equal(await closeCode(raw), code);
    });
  }

  test('a hello in three pieces, with a ping in between, breaks none', async () => {
    const raw = await rawChannel();
    raw.send(frame(OP.text, HELLO.subarray(0, 10)));
    raw.send(frame(OP.more, HELLO.subarray(10, 20)));
    raw.send(frame(FIN | OP.ping, Buffer.from('alive?')));
    raw.send(frame(FIN | OP.more, HELLO.subarray(20)));
    await raw.until('the pong and the hello', heard => heard.includes('alive?') && heard.includes('"type":"hello"'));
    raw.socket.destroy();
  });
});

/** Sends it again and again, and reads nothing. How much was taken before the other end had enough. */
async function flood(raw: RawTls, bytes: Buffer): Promise<number> {
  raw.socket.pause();
  let sent = 0;
  let isGone = false;
  const gone = new Promise<void>(resolve => {
    raw.socket.once('close', () => {
      isGone = true;
      resolve();
    });
  });
  while (sent < PLENTY_BYTES && !isGone) {
    sent += bytes.length;
    await Promise.race([gone, new Promise(resolve => raw.socket.write(bytes, resolve))]);
    if (raw.socket.errored !== null) break;
  }
  raw.socket.destroy();
  return sent;
}

/** What the two kernels hold for a connection comes on top of what the server does. */
const PLENTY_BYTES = 64 * 1024 * 1024;

describe('a device that reads nothing is cut, before its server’s memory is full', () => {
  const FLOODS: Readonly<Record<string, Buffer>> = {
    'and pings without end': frame(FIN | OP.ping, Buffer.alloc(125)),
    'and asks again and again': frame(FIN | OP.text, HELLO),
  };
  for (const [what, one] of Object.entries(FLOODS)) {
    test(what, async () => {
      const taken = await flood(await rawChannel(), Buffer.concat(Array.from({ length: 200 }, () => one)));
      assert.ok(taken < PLENTY_BYTES, `${taken} bytes were taken`);
    });
  }
});
