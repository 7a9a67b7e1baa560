import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { DEFAULT_AGENT_TIMINGS, DeviceFrame, MAX_FRAME_BYTES, parseJson } from '@thinman/protocol';
import type { WebSocket } from 'ws';
import { protocolProblem } from '../../http/protocol-check.ts';
import { createWebSocketServer, refuseUpgrade, type UpgradeHandler } from '../../http/upgrades.ts';
import type { StoredObject } from '../../ports.ts';
import type { DeviceDeps } from '../device-deps.ts';
import type { DeviceGate } from '../device-gate.ts';
import type { Channels } from './channels.ts';
import type { ChannelSocket } from './connection.ts';

/** 1007, RFC 6455: data that do not fit the type of message. */
const CLOSE_BAD_FRAME = 1007;
/** Devices ping every `pingIntervalMs` ± 20 %: after three of the longest without a byte the channel is dead. */
const SILENT_INTERVALS = 3 * 1.2;
/** What may wait for a device that reads slowly; a hundred times the largest hello. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
/** A closing handshake that the device does not finish is cut (`ws` would wait 30 s). */
const CLOSE_TIMEOUT_MS = 2_000;

export type ChannelUpgrade = { readonly handle: UpgradeHandler; stop(): void };

/** WebSockets of devices on CHANNEL_PATH. Who is refused hears why in an HTTP problem document. */
export function createChannelUpgrade(deps: DeviceDeps, gate: DeviceGate, channels: Channels): ChannelUpgrade {
  const { clock, log } = deps;
  const sockets = createWebSocketServer();

  function accept(socket: WebSocket, device: StoredObject, address: string | undefined): void {
    const connection = channels.open(device, channelSocket(socket, clock), address);
    const alive = () => {
      connection.lastHeardMs = clock.monotonicMs();
    };
    socket.on('ping', alive).on('pong', alive);
    socket.on('error', error => log.debug({ err: error, device: device.name }, 'a channel failed'));
    socket.on('close', code => channels.closed(connection, code));
    socket.on('message', (data, isBinary) => {
      const frame = isBinary ? undefined : parseJson(DeviceFrame, data.toString(), MAX_FRAME_BYTES);
      if (frame?.ok === true) channels.received(connection, frame.value);
      else socket.close(CLOSE_BAD_FRAME);
    });
  }

  function handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const wrongProtocol = protocolProblem(request.headers);
    if (wrongProtocol !== undefined) {
      refuseUpgrade(socket, wrongProtocol);
      return;
    }
    const admitted = gate.admit(socket);
    if (!admitted.ok) {
      refuseUpgrade(socket, { serverTime: clock.nowMs(), ...admitted.problem });
      return;
    }
    sockets.handleUpgrade(request, socket, head, accepted =>
      accept(accepted, admitted.value, request.socket.remoteAddress),
    );
  }

  const pingIntervalMs = () => deps.site.settings().agent?.pingIntervalMs ?? DEFAULT_AGENT_TIMINGS.pingIntervalMs;
  const sweep = () => {
    channels.dropSilent(SILENT_INTERVALS * pingIntervalMs());
    cancel = clock.after(pingIntervalMs(), sweep);
  };
  let cancel = clock.after(pingIntervalMs(), sweep);

  return {
    handle,
    stop() {
      cancel();
      channels.terminate();
      sockets.close();
    },
  };
}

function channelSocket(socket: WebSocket, clock: DeviceDeps['clock']): ChannelSocket {
  return {
    send(text) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > MAX_BUFFERED_BYTES) return socket.terminate();
      socket.send(text, () => {});
    },
    close(code, reason) {
      socket.close(code, reason);
      clock.after(CLOSE_TIMEOUT_MS, () => socket.terminate());
    },
    terminate: () => socket.terminate(),
  };
}
