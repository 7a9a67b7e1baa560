import { randomBytes } from 'node:crypto';
import { DEFAULT_KDF, SALT_BYTES } from '@thinman/protocol';
import { quickestArgon2id } from '../../../packages/agent/src/adapters/argon2.ts';
import { timed } from './interleave.ts';

const run = quickestArgon2id();

/** ms of one Argon2id with the parameters that passwords of a site have, by the quickest implementation that there is here: the agent's. */
export function argon2Ms(): Promise<number> {
  return timed(() => run(Buffer.from('a-password-of-a-bench'), randomBytes(SALT_BYTES), DEFAULT_KDF));
}
