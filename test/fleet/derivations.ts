import { type DeriveBase, deriveBase } from '../../packages/agent/src/adapters/hasher.ts';

/**
 * Each password is derived once for all devices, as if they had all the processors that real thin clients have. Who asks
 * meanwhile waits for the same result; each gets a copy, which a login clears.
 */
export function sharedDerivations(): DeriveBase {
  const made = new Map<string, Promise<Buffer>>();
  return async (password, salt, kdf) => {
    const key = [password, salt, kdf.memoryKib, kdf.passes, kdf.lanes].join(' ');
    let base = made.get(key);
    if (base === undefined) {
      base = deriveBase(password, salt, kdf);
      made.set(key, base);
    }
    return Buffer.from(await base);
  };
}
