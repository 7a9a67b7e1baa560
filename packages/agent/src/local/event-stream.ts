import type { ServerResponse } from 'node:http';

/** A greeter, a tray icon, a few lockers; more is a mistake or an attack. */
const MAX_LISTENERS = 16;
/** What a listener that does not read may leave waiting, in bytes, before it is cut off. */
const MAX_WAITING_BYTES = 64 * 1024;

/** Sends the state to every listener (`text/event-stream`), whenever it has changed. */
export function createEventStream(current: () => unknown) {
  const listeners = new Map<ServerResponse, string>();

  const send = (response: ServerResponse) => {
    const text = JSON.stringify(current());
    if (listeners.get(response) === text) return;
    listeners.set(response, text);
    response.write(`event: state\ndata: ${text}\n\n`);
    if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
  };

  return {
    /** false: there are too many. */
    add(response: ServerResponse): boolean {
      if (listeners.size >= MAX_LISTENERS) return false;
      listeners.set(response, '');
      response.on('close', () => listeners.delete(response));
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      send(response);
      return true;
    },
    changed(): void {
      for (const response of [...listeners.keys()]) send(response);
    },
    close(): void {
      for (const response of [...listeners.keys()]) response.end();
    },
  };
}
