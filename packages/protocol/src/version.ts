/**
 * The protocol's version: a dated integer (yyyymmdd), raised by every change of the wire.
 *
 * When the two sides differ: a device sends the version it speaks in the header `thinman-protocol`. A server serves the
 * current version and the two before it, so servers are updated first. Any other version is answered 426
 * `protocol_unsupported` (scope `server`: the agent asks the next server, and nobody is stranded by a half-done update).
 */
export const PROTOCOL_VERSION = 20261122;

/** Every version there has been, oldest first. */
export const PROTOCOL_HISTORY: readonly number[] = [PROTOCOL_VERSION];

/** How many versions before the current one a server still serves. */
export const VERSIONS_BACK = 2;

/** Header of every device request, the WebSocket upgrade included. */
export const PROTOCOL_HEADER = 'thinman-protocol';

/** Versions that a server built from `history` serves. */
export function servedVersions(history: readonly number[] = PROTOCOL_HISTORY): readonly number[] {
  return history.slice(-(VERSIONS_BACK + 1));
}

/** What a server does with the version in a device's header (absent = refused as unknown). */
export function acceptsProtocol(header: string | undefined, history: readonly number[] = PROTOCOL_HISTORY): boolean {
  return header !== undefined && servedVersions(history).includes(Number(header));
}
