import { createPrivateKey, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { newCaKey } from './certificate-authority.ts';
import { CA_KEY_FILE as CURRENT_FILE, IdentityDamaged, toPem } from './identity-files.ts';
import { writeFileAtomically } from './key-files.ts';
import { keyHashOf } from './key-hash.ts';

/** Of the CA that comes next, from `ca begin` to `ca finish`. */
const NEXT_FILE = 'ca-next.key';

/** The private keys of the site's CAs, as they lie on the Primary. Which of them issues, the site row says. */
export type CaKeys = {
  /** By the pin of its CA. */
  find(pin: string): KeyObject | undefined;
  /** This pin is of the CA that comes, or came, after the one before. */
  isNext(pin: string): boolean;
  /** The key of a CA to come: the one that an earlier attempt left here, or a new one, which is on disk then. */
  prepareNext(): KeyObject;
  /** The site has this one CA left: its key alone stays. Nothing happens where the next one is not it. */
  settle(pin: string): void;
};

/** Puts the CAs' keys where a Primary has them, an older CA's first: on a host that had none. */
export function placeCaKeys(identityFolder: string, keys: readonly KeyObject[]): void {
  for (const [at, file] of [CURRENT_FILE, NEXT_FILE].entries()) {
    const key = keys[at];
    if (key !== undefined) writeFileAtomically(join(identityFolder, file), toPem(key));
  }
}

export function removeCaKeys(identityFolder: string): void {
  for (const file of [CURRENT_FILE, NEXT_FILE]) rmSync(join(identityFolder, file), { force: true });
}

/** undefined: no CA's key is here. Throws IdentityDamaged. */
export function openCaKeys(identityFolder: string): CaKeys | undefined {
  const path = (file: string) => join(identityFolder, file);
  let current = readKey(path(CURRENT_FILE));
  if (current === undefined) return undefined;
  let next = readKey(path(NEXT_FILE));
  return {
    find: pin => [current, next].find(key => key !== undefined && keyHashOf(key) === pin),
    isNext: pin => next !== undefined && keyHashOf(next) === pin,
    prepareNext() {
      if (next === undefined) {
        const made = newCaKey();
        writeFileAtomically(path(NEXT_FILE), toPem(made));
        next = made;
      }
      return next;
    },
    settle(pin) {
      if (next === undefined || keyHashOf(next) !== pin) return;
      renameSync(path(NEXT_FILE), path(CURRENT_FILE));
      [current, next] = [next, undefined];
    },
  };
}

function readKey(path: string): KeyObject | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return createPrivateKey(readFileSync(path, 'utf8'));
  } catch {
    throw new IdentityDamaged(`${path} is not a private key; put it back from a backup`);
  }
}
