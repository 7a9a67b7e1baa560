import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, listens } from './loopback.ts';
import type { Running } from './processes.ts';
import { startProgram, systemProgram } from './programs.ts';
import { waitFor } from './wait.ts';

/** TPM2_Clear (TPM 2.0 Library, Part 3), as the holder of an empty lockout password: tag, length, command, handle, one empty password. */
const CLEAR = Buffer.from('80020000001b000001264000000a00000009400000090000000000', 'hex');
/** TPM2_Shutdown(CLEAR). */
const SHUTDOWN = Buffer.from('80010000000c000001450000', 'hex');
/** Where a response has its code: after the tag and the length. */
const CODE_AT = 6;
const RESPONSE_HEADER_BYTES = 10;

/** A TPM 2.0 of Debian's `swtpm`, with what it keeps in a folder of its own. */
export type SoftwareTpm = AsyncDisposable & {
  /** For what runs on its machine: systemd (`tpm2-util.c`) and its `systemd-creds` use this one in place of /dev/tpmrm0. */
  readonly environment: { readonly SYSTEMD_TPM2_DEVICE: string };
  /** As the set-up of a machine does: whatever it sealed opens no more. */
  clear(): Promise<void>;
  /** With its machine, which tells it before. */
  restart(): Promise<void>;
  /** The power goes, and comes back. To a TPM that was in use this is one wrong guess; after three (real ones: more) this one opens nothing for a while. */
  cutPower(): Promise<void>;
};

export async function startSoftwareTpm(folder: string): Promise<SoftwareTpm> {
  const state = join(folder, 'tpm');
  mkdirSync(state, { recursive: true });
  // The library asks on the next port how the machine stands.
  let port = await freePort();
  while (await listens(port + 1)) port = await freePort();
  const at = (which: number) => `type=tcp,bindaddr=127.0.0.1,port=${which}`;
  let running: Running;

  async function start(): Promise<void> {
    running = startProgram({
      name: 'swtpm',
      command: [
        ...([systemProgram('swtpm'), 'socket', '--tpm2'] as const),
        ...['--tpmstate', `dir=${state}`, '--flags', 'not-need-init,startup-clear'],
        ...['--server', at(port), '--ctrl', at(port + 1)],
      ],
      logs: folder,
    });
    await waitFor('the TPM to listen', async () => {
      if (!running.isRunning()) throw new Error(`swtpm did not start: ${running.stderr()}`);
      return (await listens(port)) || undefined;
    });
  }
  await start();

  async function cutPower(): Promise<void> {
    await running.kill();
    await start();
  }

  return {
    environment: { SYSTEMD_TPM2_DEVICE: `swtpm:host=127.0.0.1,port=${port}` },
    clear: () => ask(port, CLEAR),
    restart: async () => {
      await ask(port, SHUTDOWN);
      await cutPower();
    },
    cutPower,
    [Symbol.asyncDispose]: async () => void (await running.kill()),
  };
}

function ask(port: number, command: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1', () => socket.write(command));
    socket.on('data', (part: Buffer) => {
      heard = Buffer.concat([heard, part]);
      if (heard.length < RESPONSE_HEADER_BYTES) return;
      socket.destroy();
      const code = heard.readUInt32BE(CODE_AT);
      if (code === 0) resolve();
      else reject(new Error(`the TPM says 0x${code.toString(16)}`));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the TPM gave no answer')));
  });
}
