import { argon2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { DEFAULT_KDF, DERIVED_KEY_BYTES, SALT_BYTES } from '@thinman/protocol';
import { timed } from './interleave.ts';

const run = promisify(argon2);

/** ms of one Argon2id with the parameters that passwords of a site have. */
export function argon2Ms(): Promise<number> {
  const { algorithm, memoryKib, passes, lanes } = DEFAULT_KDF;
  const given = { message: 'a-password-of-a-bench', nonce: randomBytes(SALT_BYTES), tagLength: DERIVED_KEY_BYTES };
  return timed(() => run(algorithm, { ...given, memory: memoryKib, passes, parallelism: lanes }));
}
