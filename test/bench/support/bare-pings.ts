import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Network } from '../../support/network/network.ts';
import type { Processes } from '../../support/processes.ts';
import { startBareServer } from './bare-https.ts';
import { bytesOnWire } from './wire-bytes.ts';

const PINGS = 20;
/** Longer than TCP waits with an acknowledgement that has nothing to ride on (40 ms). */
const PAUSE_MS = 100;

/** Bytes on the wire of one ping and its pong on a bare WebSocket over mutual TLS, with what TCP adds. */
export async function barePingBytes(network: Network, folder: string, processes: Processes): Promise<number> {
  const host = network.host('primary');
  const { port, tls } = await startBareServer(join(folder, 'bare'), processes, host);
  const socket = new WebSocket(`wss://${host.address}:${port}`, {
    ...tls,
    perMessageDeflate: false,
  });
  await once(socket, 'open');
  await delay(PAUSE_MS);
  const before = bytesOnWire(network).packets;
  for (let ping = 0; ping < PINGS; ping++) {
    socket.ping();
    await once(socket, 'pong');
    await delay(PAUSE_MS);
  }
  const bytes = bytesOnWire(network).packets - before;
  socket.terminate();
  return bytes / PINGS;
}
