import type { AgentMode, DeviceFacts, ServerFrame, UserWord, Version } from '@thinman/protocol';
import type { StoredObject } from '../../ports.ts';

/** The socket of a channel, as far as this side uses it. */
export type ChannelSocket = {
  /** `text`: a frame, encoded. A device that does not take its frames is cut. */
  send(text: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
};

/** One device with an open channel, and what it was told last. */
export type Connection = {
  /** As it was admitted, or last changed. */
  device: StoredObject;
  readonly socket: ChannelSocket;
  readonly connectedAtMs: number;
  lastHeardMs: number;
  /** A newer channel of this device has taken its place. */
  replaced: boolean;
  /** Its own hello has come: before, it is told nothing. */
  greeted: boolean;
  /** Users with a cached login there, by id, with the word that was sent last. */
  readonly users: Map<string, { readonly name: string | undefined; readonly word: UserWord }>;
  status: { readonly mode: AgentMode; readonly version: Version; readonly pendingEvents: number } | undefined;
  /** The user of its open session. */
  sessionUser: string | undefined;
  /** What the device calls that user: a hint, where this server knows no name. */
  sessionName: string | undefined;
  /** The loginId of the login behind it. */
  sessionLogin: string | undefined;
  /** Whom its policy signs in by itself, as written there. */
  autologin: string | undefined;
  /** Tags of the bundles that it was served, or told to pull. */
  deviceEtag: string | undefined;
  /** What it says it is, with the address that it came from; undefined: it has not said. */
  facts: DeviceFacts | undefined;
  readonly address: string | undefined;
  /** It takes its own bundle in frames. */
  takesBundles: boolean;
  readonly userEtags: Map<string, string>;
  /** A batch of its events is on its way to the disk. */
  storing: boolean;
};

export function newConnection(
  device: StoredObject,
  socket: ChannelSocket,
  nowMs: number,
  address?: string,
): Connection {
  return {
    device,
    socket,
    connectedAtMs: nowMs,
    lastHeardMs: nowMs,
    replaced: false,
    greeted: false,
    users: new Map(),
    status: undefined,
    sessionUser: undefined,
    sessionName: undefined,
    sessionLogin: undefined,
    autologin: undefined,
    deviceEtag: undefined,
    facts: undefined,
    address,
    takesBundles: false,
    userEtags: new Map(),
    storing: false,
  };
}

export function sendFrame({ socket }: Connection, frame: ServerFrame): void {
  socket.send(JSON.stringify(frame));
}
