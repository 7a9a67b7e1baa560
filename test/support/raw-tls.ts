import { connect, type TLSSocket } from 'node:tls';
import { waitFor } from './wait.ts';

/** A TLS connection of which the test writes every byte. */
export type RawTls = {
  readonly socket: TLSSocket;
  send(bytes: string | Uint8Array): void;
  /** All that has come. */
  heard(): string;
  isClosed(): boolean;
  until(what: string, isSo: (heard: string) => boolean): Promise<string>;
  /** All that had come when the other end closed. */
  untilClosed(): Promise<string>;
};

export type RawTlsOptions = {
  readonly port: number;
  readonly ca: string;
  readonly key?: string;
  readonly cert?: string;
};

export async function rawTls({ port, ...credentials }: RawTlsOptions): Promise<RawTls> {
  const socket = connect({ host: '127.0.0.1', port, ...credentials });
  let text = '';
  let isClosed = false;
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve).once('error', reject);
  });
  // A server may cut off somebody who is still sending.
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
  });
  const until: RawTls['until'] = (what, isSo) =>
    waitFor(
      what,
      () => (isSo(text) ? text : undefined),
      undefined,
      () => `Heard: ${JSON.stringify(text.slice(0, 300))}`,
    );
  return {
    socket,
    send: bytes => void socket.write(bytes),
    heard: () => text,
    isClosed: () => isClosed,
    until,
    untilClosed: () => until('the other end to close', () => isClosed),
  };
}

/** Codes of the HTTP answers in what was heard. */
export function statusCodes(heard: string): number[] {
  return [...heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));
}
