import { argon2, argon2Sync } from 'node:crypto';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { DERIVED_KEY_BYTES, type KdfParameters } from '@thinman/protocol';

/** Argon2id (RFC 9106), 32 bytes, in a thread of Node's pool. Whoever asked clears what it was given and what it gets. */
export type Argon2id = (message: Buffer, salt: Buffer, kdf: KdfParameters) => Promise<Buffer>;

/** What is used of `@node-rs/argon2`. */
type Native = {
  hashRaw(message: Uint8Array, options: NativeOptions): Promise<Buffer>;
  hashRawSync(message: Uint8Array, options: NativeOptions): Buffer;
};
type NativeOptions = {
  readonly algorithm: 2;
  readonly version: 1;
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
  readonly outputLen: number;
  readonly salt: Uint8Array;
};

const NATIVE = '@node-rs/argon2';
/** The least that Argon2 takes: microseconds. */
const SELF_TEST: KdfParameters = { algorithm: 'argon2id', memoryKib: 8, passes: 1, lanes: 1 };

const runOfNode = promisify(argon2);

/** OpenSSL's, by `node:crypto`: on every machine, in plain C. */
export const argon2idOfNode: Argon2id = (message, salt, kdf) => runOfNode(kdf.algorithm, ofNode(message, salt, kdf));

/** The same function by RustCrypto, which takes AVX2 where the processor has it: half the time (ADR 0105). undefined: not on this machine. */
export function nativeArgon2id(load: () => unknown = loadNative): Argon2id | undefined {
  try {
    const native = load() as Native;
    const [message, salt] = [Buffer.from('self-test'), Buffer.alloc(16, 1)];
    const expected = argon2Sync(SELF_TEST.algorithm, ofNode(message, salt, SELF_TEST));
    if (!expected.equals(native.hashRawSync(message, ofNative(salt, SELF_TEST)))) return undefined;
    return async (given, its, kdf) => {
      try {
        return await native.hashRaw(given, ofNative(its, kdf));
      } catch {
        // What it refuses is no reason to let nobody in: for want of memory, say.
        return argon2idOfNode(given, its, kdf);
      }
    };
  } catch {
    // Not installed, of another kind of machine, or not what it was.
    return undefined;
  }
}

let chosen: Argon2id | undefined;

/** The quicker one that this machine has. The first call loads it. */
export function quickestArgon2id(): Argon2id {
  chosen ??= nativeArgon2id() ?? argon2idOfNode;
  return chosen;
}

function loadNative(): unknown {
  return createRequire(import.meta.url)(NATIVE);
}

function ofNode(message: Buffer, nonce: Buffer, { memoryKib, passes, lanes }: KdfParameters) {
  return { message, nonce, memory: memoryKib, passes, parallelism: lanes, tagLength: DERIVED_KEY_BYTES };
}

function ofNative(salt: Buffer, { memoryKib, passes, lanes }: KdfParameters): NativeOptions {
  const cost = { memoryCost: memoryKib, timeCost: passes, parallelism: lanes, outputLen: DERIVED_KEY_BYTES };
  return { algorithm: 2, version: 1, ...cost, salt };
}
