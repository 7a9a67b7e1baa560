import { generateKeyPairSync } from 'node:crypto';
import {
  DeviceFrame,
  LINK_PATH,
  MAX_FRAME_BYTES,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  PrimaryFrame,
  parseJson,
  SecondaryFrame,
  ServerFrame,
} from '@thinman/protocol';
import fc, { type Arbitrary } from 'fast-check';
import { pino } from 'pino';
import type { TSchema } from 'typebox';
import { WebSocket } from 'ws';
import { createHttpApp } from '../../packages/server/src/http/app.ts';
import { createCsr } from '../../packages/server/src/identity/csr.ts';
import { toPem } from '../../packages/server/src/identity/identity-files.ts';
import { keyHashOf } from '../../packages/server/src/identity/key-hash.ts';
import { createFactExchange } from '../../packages/server/src/link/fact-exchange.ts';
import { createLinkServer } from '../../packages/server/src/link/link-server.ts';
import { createDeviceSite, type DeviceSite } from '../support/device-site.ts';
import type { OpenTarget, Target } from './target.ts';
import { bodiesOf, valuesOf } from './values.ts';

const FRAMES = { DeviceFrame, ServerFrame, SecondaryFrame, PrimaryFrame } as const;
type FrameText = { readonly frame: keyof typeof FRAMES; readonly text: string };

/** What both ends of the channel and the link do with every frame first. */
export function frameParsers(): Target<FrameText> {
  const names = Object.keys(FRAMES) as (keyof typeof FRAMES)[];
  return {
    name: 'frames',
    onTop: 6,
    inputs: fc.oneof(...names.map(frame => bodiesOf(FRAMES[frame]).map(text => ({ frame, text })))),
    open: async () => ({
      async check({ frame, text }) {
        const schema: TSchema = FRAMES[frame];
        const first = parseJson(schema, text, MAX_FRAME_BYTES);
        if (!first.ok) return first.problems.length > 0 ? undefined : 'refused without a word';
        const again = parseJson(schema, JSON.stringify(first.value), 2 * MAX_FRAME_BYTES);
        return again.ok ? undefined : 'taken once and not again';
      },
      async close() {},
    }),
  };
}

type Message = { readonly text: string; readonly isBinary: boolean };

/** Mostly frames that are taken: one that is not closes its connection. */
const messagesOf = (schema: TSchema): Arbitrary<Message> =>
  fc.oneof(
    { weight: 9, arbitrary: valuesOf(schema).map(value => ({ text: JSON.stringify(value), isBinary: false })) },
    { weight: 1, arbitrary: fc.record({ text: bodiesOf(schema), isBinary: fc.nat(9).map(n => n === 0) }) },
  );

/** The channel of an enrolled device. */
export function deviceChannel(): Target<Message> {
  return {
    name: 'channel',
    parts: 10,
    inputs: messagesOf(DeviceFrame),
    async open() {
      const site = await createDeviceSite();
      const device = await site.addDevice('tc-1');
      const connect = () =>
        new WebSocket(`wss://127.0.0.1:${site.primary.port}${site.primary.plane.channelPath}`, {
          ...{ ca: site.ca.certificatePem, ...device.tls },
          headers: { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) },
        });
      return socketTarget(connect, ServerFrame, () => site.close());
    },
  };
}

/** The link of a Secondary, at the Primary's end. */
export function serverLink(): Target<Message> {
  return {
    name: 'link',
    parts: 4,
    inputs: messagesOf(SecondaryFrame),
    async open() {
      const site = await createDeviceSite();
      const { port, tls, close } = await openLinkServer(site);
      const connect = () =>
        new WebSocket(`wss://127.0.0.1:${port}${LINK_PATH}`, { ca: site.ca.certificatePem, ...tls });
      return socketTarget(connect, PrimaryFrame, async () => {
        await close();
        await site.close();
      });
    },
  };
}

async function openLinkServer(site: DeviceSite) {
  const { clock, statement } = site.primary.deps;
  const log = pino({ level: 'silent' });
  const credential = async (name: string) => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { pem } = await site.authority.issueServer(await createCsr(key), name, ['https://127.0.0.1']);
    return { key: toPem(key), cert: pem, keyHash: keyHashOf(key) };
  };
  const [primary, secondary] = await Promise.all([credential('primary'), credential('secondary')]);
  const held = statement();
  const servers = held.statement.servers.map(server =>
    server.role === 'secondary' ? { ...server, keyHash: secondary.keyHash } : server,
  );
  const link = createLinkServer({
    isPrimary: () => true,
    statement: () => ({ ...held, statement: { ...held.statement, servers } }),
    version: () => ({ epoch: 1, generation: 1 }),
    missingSince: () => ({ count: 0, objects: [] }),
    facts: createFactExchange({
      journal: {
        append: async () => {},
        knowsFailure: () => false,
        isEnded: () => false,
        endedFor: () => [],
        lastGrantMs: () => undefined,
        failuresFor: () => [],
        grantsFor: () => [],
      },
      knows: { device: () => true, user: () => true },
      ...{ clock, log },
    }),
    storeEvents: async () => {},
    ...{ clock, log },
  });
  const http = createHttpApp({ tls: { ...primary, ca: [site.ca.certificatePem] }, log });
  http.upgrades.on(LINK_PATH, link.handleUpgrade);
  const { port } = await http.listen('127.0.0.1', 0);
  const close = async () => {
    link.close();
    await http.app.close();
  };
  return { port, tls: { key: secondary.key, cert: secondary.cert }, close };
}

/** 1007: a frame that is none; 1009: one that is too large (RFC 6455). */
const FITTING_CLOSES: readonly number[] = [1007, 1009];

/** Sends each message and waits until it was taken (a pong comes after it) or the connection was closed, as it should be. */
function socketTarget(connect: () => WebSocket, schema: TSchema, end: () => Promise<void>): OpenTarget<Message> {
  let socket: WebSocket | undefined;
  let wrong: string | undefined;
  const open = async () => {
    if (socket?.readyState === WebSocket.OPEN) return socket;
    const opened = connect();
    await new Promise((resolve, reject) => opened.once('open', resolve).once('error', reject));
    opened.on('error', () => {});
    opened.on('message', data => {
      const frame = parseJson(schema, data.toString(), MAX_FRAME_BYTES);
      if (!frame.ok) wrong = `a frame that is none of the protocol: ${data.toString().slice(0, 200)}`;
    });
    socket = opened;
    return opened;
  };
  return {
    async check({ text, isBinary }) {
      wrong = undefined;
      const to = await open();
      const settled = new Promise<number | undefined>(resolve => {
        to.once('pong', () => resolve(undefined));
        to.once('close', code => resolve(code));
      });
      to.send(isBinary ? Buffer.from(text) : text);
      to.ping();
      const code = await settled;
      to.removeAllListeners('pong').removeAllListeners('close');
      if (code !== undefined && !FITTING_CLOSES.includes(code)) return `closed with ${code}`;
      return wrong;
    },
    async close() {
      socket?.terminate();
      await end();
    },
  };
}
