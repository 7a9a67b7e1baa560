import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Running } from './processes.ts';
import { SYSTEM_PATH, startProgram } from './programs.ts';

const execute = promisify(execFile);
/** A picture of the screen below, without compression. */
const MAX_PICTURE_BYTES = 16 * 1024 * 1024;
export const SCREEN = { width: 800, height: 600 } as const;

/** A screen that nobody looks at, and what is on it. */
export type Screen = AsyncDisposable & {
  /** `:99`. */
  readonly display: string;
  /** What is to be seen on it. */
  picture(): Promise<Picture>;
  /** Shows a program on it. */
  show(name: string, ...command: readonly [string, ...string[]]): Running;
};

export type Picture = {
  readonly width: number;
  readonly height: number;
  /** Which part of it (0 to 1) has this colour, give or take a little: screens are compressed on the way. */
  share(red: number, green: number, blue: number): number;
};

/** Starts an X server of `SCREEN`'s size. Needs the packages xvfb and x11-apps. */
export async function openScreen(name: string, logs: string): Promise<Screen> {
  const size = `${SCREEN.width}x${SCREEN.height}x24`;
  const server = startProgram({
    name,
    command: ['Xvfb', '-displayfd', '1', '-screen', '0', size, '-nolisten', 'tcp', '-noreset'],
    logs,
  });
  const display = `:${await server.waitForLine(/^\d+$/)}`;
  const shown: Running[] = [];
  return {
    display,
    picture: async () => {
      const { stdout } = await execute('xwd', ['-root', '-silent', '-display', display], {
        encoding: 'buffer',
        maxBuffer: MAX_PICTURE_BYTES,
        env: { ...process.env, PATH: SYSTEM_PATH },
      });
      return readXwd(stdout);
    },
    show(what, ...command) {
      const running = startProgram({ name: what, command, logs, env: { DISPLAY: display } });
      shown.push(running);
      return running;
    },
    [Symbol.asyncDispose]: async () => {
      for (const running of shown) await running.kill();
      await server.kill();
    },
  };
}

/** How far a channel of a colour may be off. */
const TOLERANCE = 12;

/** @see X11/XWDFile.h: a header of words in big-endian order, a table of colours, then the lines. */
function readXwd(file: Buffer): Picture {
  const word = (index: number) => file.readUInt32BE(index * 4);
  const [headerBytes, width, height, bitsPerPixel, bytesPerLine, colours] = [
    word(0),
    word(4),
    word(5),
    word(11),
    word(12),
    word(19),
  ];
  if (bitsPerPixel !== 32) throw new Error(`a picture with ${bitsPerPixel} bits per pixel`);
  const start = headerBytes + colours * 12;
  const near = (at: number, wanted: number) => Math.abs((file[at] ?? 0) - wanted) <= TOLERANCE;
  return {
    width,
    height,
    share(red, green, blue) {
      let found = 0;
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const at = start + y * bytesPerLine + x * 4;
          if (near(at, blue) && near(at + 1, green) && near(at + 2, red)) found++;
        }
      }
      return found / (width * height);
    },
  };
}
