import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, lstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '@thinman/protocol';
import Type from 'typebox';
import { removeFile, syncFolder, writeFileAtomic } from '../atomic-file.ts';
import { readSmallFileIfThere, UnfitFile } from '../read-file.ts';
import { SEALS, type Seal } from '../seals.ts';
import type { Creds, CredsResult } from './systemd-creds.ts';

export const DEVICE_SECRET_BYTES = 32;
const FILE_MODE = 0o600;
const MAX_FILE_BYTES = 64 * 1024;
const PLAIN = 'device.secret';
const SEALED = 'device.secret.sealed';
/** What was sealed by a TPM that refuses it, when another took its place: for those who look into it. */
const REFUSED = 'device.secret.refused';
/** The plain one on its way out: nobody reads it any more, so that it may be overwritten. */
const MOVED = 'device.secret.moved';

const SealedFile = Type.Object({ by: Type.Union(SEALS.map(seal => Type.Literal(seal))), sealed: Type.String() });

/** `local.json`, `deviceSecret`: how this machine keeps it. */
export type SecretSettings = {
  /** `auto`: by the TPM where there is one. */
  readonly seal: Seal | 'auto' | 'file';
  /** What becomes of a secret that the seal does not give back: it is waited for, or another takes its place. */
  readonly ifRefused?: 'wait' | 'renew' | undefined;
};

/** How the secret is kept, and what is wrong with that. */
export type SecretState = {
  readonly kept: 'file' | Seal;
  /** One line: what does not work and what to do; undefined: all is as it should be. */
  readonly trouble?: string | undefined;
  /** It could not be opened: another one is used until the agent ends, and what was stored under it cannot be read. */
  readonly isRefused?: true;
  /** It could not be opened, and another took its place for good. */
  readonly isRenewed?: true;
};

/**
 * The device's secret on its disk, plain or sealed (ADR 0084). It is opened once: a TPM is slow. `read` throws what
 * `node:fs` does; undefined: there is none.
 */
export type DeviceSecret = {
  read(): Buffer | undefined;
  /** At enrolment: in a file, until the agent starts and finds how it is to be kept. */
  save(secret: Buffer): void;
  /** Brings it to where the settings want it. What cannot be done is told, and leaves it where it is. */
  settle(settings: SecretSettings | undefined): SecretState;
};

export function deviceSecret(identityDir: string, creds: Creds): DeviceSecret {
  const path = (file: string) => join(identityDir, file);
  const write = (file: string, content: string | Uint8Array) => writeFileAtomic(path(file), content, FILE_MODE);
  let opened: Buffer | undefined;
  let refusal: string | undefined;

  function readSealed(): { readonly by: Seal; readonly sealed: string } | undefined {
    let text: string | undefined;
    try {
      text = readIfThere(path(SEALED))?.toString();
    } catch (error) {
      if (!(error instanceof UnfitFile)) throw error;
      text = '';
    }
    if (text === undefined) return undefined;
    const parsed = parseJson(SealedFile, text, MAX_FILE_BYTES);
    return parsed.ok ? parsed.value : { by: 'tpm2', sealed: '' };
  }

  function read(): Buffer | undefined {
    if (opened !== undefined) return opened;
    // Both are there when the power went in a move: the plain one is whole, and the move is done again.
    const plain = readIfThere(path(PLAIN));
    if (plain !== undefined) return plain;
    const sealed = readSealed();
    if (sealed === undefined) return undefined;
    const result =
      sealed.sealed === '' ? { ok: false as const, why: `${SEALED} is damaged` } : creds.open(sealed.sealed);
    const isWhole = result.ok && result.value.length === DEVICE_SECRET_BYTES;
    if (!isWhole) refusal = result.ok ? 'what it gives back is no secret of a device' : result.why;
    opened = isWhole && result.ok ? result.value : randomBytes(DEVICE_SECRET_BYTES);
    return opened;
  }

  /** Sealed, and seen to open again, before anything else is done. `value`: the file that is to be written. */
  function seal(secret: Buffer, by: Seal): CredsResult<string> {
    const made = creds.seal(secret, by);
    if (!made.ok) return made;
    const back = creds.open(made.value);
    if (!back.ok) return back;
    const isSame = back.value.equals(secret);
    back.value.fill(0);
    if (!isSame) return { ok: false, why: 'it gives back something else' };
    return { ok: true, value: `${JSON.stringify({ by, sealed: made.value })}\n` };
  }

  function settle(settings: SecretSettings | undefined): SecretState {
    const secret = read();
    // The power went while one was being shredded.
    shred();
    const plain = readIfThere(path(PLAIN));
    const kept = plain === undefined ? (readSealed()?.by ?? 'file') : 'file';
    if (secret === undefined) return { kept };
    const wanted = settings?.seal === 'auto' ? (creds.hasTpm() ? 'tpm2' : kept) : (settings?.seal ?? kept);
    if (refusal !== undefined) return refused(secret, kept, wanted, settings?.ifRefused ?? 'wait', refusal);
    if (wanted === 'file') {
      if (plain === undefined) write(PLAIN, secret);
      removeFile(path(SEALED));
      shred();
      return { kept: 'file' };
    }
    if (kept !== wanted) {
      const made = seal(secret, wanted);
      if (!made.ok) return { kept, trouble: `it cannot be sealed by ${wanted} (${made.why}): ${MEND_SEAL}` };
      write(SEALED, made.value);
    }
    opened = secret;
    if (plain !== undefined) {
      renameSync(path(PLAIN), path(MOVED));
      // Before it is overwritten: after a power cut the name of the secret must not lead to what is left of it.
      syncFolder(identityDir);
    }
    shred();
    return { kept: wanted };
  }

  /** As far as a disk forgets: it is overwritten where it lies, but flash memory may keep what was there before. */
  function shred(): void {
    const moved = path(MOVED);
    const found = lstatSync(moved, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (!found.isFile()) return removeFile(moved);
    const file = openSync(moved, 'r+');
    try {
      writeSync(file, Buffer.alloc(fstatSync(file).size), 0, undefined, 0);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    removeFile(moved);
    syncFolder(identityDir);
  }

  function refused(
    interim: Buffer,
    kept: SecretState['kept'],
    wanted: SecretState['kept'],
    ifRefused: 'wait' | 'renew',
    why: string,
  ): SecretState {
    const told = `${kept} does not give it back (${why})`;
    if (ifRefused === 'wait') return { kept, isRefused: true, trouble: `${told}: ${MEND_REFUSED}` };
    const made = wanted === 'file' ? undefined : seal(interim, wanted);
    if (made?.ok === false) {
      return { kept, isRefused: true, trouble: `${told}, and a new one cannot be sealed (${made.why}): ${MEND_SEAL}` };
    }
    // First, and as a whole: after a power cut in between it is refused, and renewed, once more. Afterwards nobody could look into it.
    keepRefused();
    if (made !== undefined) write(SEALED, made.value);
    else {
      write(PLAIN, interim);
      removeFile(path(SEALED));
    }
    return { kept: wanted, isRenewed: true, trouble: `${told}: a new one was made, and cached logins are gone` };
  }

  function keepRefused(): void {
    try {
      const before = readIfThere(path(SEALED));
      if (before !== undefined) write(REFUSED, before);
    } catch (error) {
      if (!(error instanceof UnfitFile)) throw error;
    }
  }

  return {
    read,
    save(secret) {
      opened = undefined;
      refusal = undefined;
      write(PLAIN, secret);
      removeFile(path(SEALED));
    },
    settle,
  };
}

const MEND_SEAL = 'see `systemd-creds has-tpm2`, or set deviceSecret.seal to "file" in local.json';
const MEND_REFUSED =
  'nobody logs in offline who has not logged in since the start; was the TPM cleared, or the disk moved? With deviceSecret.ifRefused "renew" in local.json the next start makes a new secret';

const readIfThere = (file: string) => readSmallFileIfThere(file, MAX_FILE_BYTES);
