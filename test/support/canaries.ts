import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** A text, or bytes with a name to tell of them by. */
export type Secret = string | { readonly name: string; readonly bytes: Buffer };
/** A secret that lies where it must not: in which file, and written how. */
export type Find = { readonly file: string; readonly secret: string; readonly form: string };

/** Below this, base64 of a secret has too few characters that do not depend on its neighbours. */
const MIN_SECRET_BYTES = 6;

/** 64 MiB that a server fills with random bytes, to give them up one day: nobody writes anything into it. */
const RANDOM_FILE = 'journal.reserve';

/** Searches every regular file under `folders` for the secrets, as they are and in the usual ways to write bytes as text. */
export function findSecrets(folders: readonly string[], secrets: readonly Secret[]): Find[] {
  const findIn = finder(secrets);
  const files = folders.flatMap(filesUnder).filter(file => basename(file) !== RANDOM_FILE);
  return files.flatMap(file => findIn(contentOf(file)).map(find => ({ file, ...find })));
}

/** What others have removed since it was listed holds nothing. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** The same in bytes that went over a wire. */
export function findSecretsIn(bytes: Buffer, secrets: readonly Secret[]): Omit<Find, 'file'>[] {
  return finder(secrets)(bytes);
}

function finder(secrets: readonly Secret[]): (content: Buffer) => Omit<Find, 'file'>[] {
  const needles = secrets.flatMap(secret => {
    const name = typeof secret === 'string' ? secret : secret.name;
    const forms =
      typeof secret === 'string'
        ? [...formsOf(Buffer.from(secret), name), ...textForms(secret)]
        : formsOf(secret.bytes, name);
    return forms.map(([form, bytes]) => ({ secret: name, form, bytes }));
  });
  return content =>
    needles.filter(({ bytes }) => content.includes(bytes)).map(({ secret, form }) => ({ secret, form }));
}

/** Regular files: what is in a socket or behind a link is not this folder's. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name);
    // Of folders that others write to, what was listed may be gone.
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return filesUnder(path);
    return stat?.isFile() ? [path] : [];
  });
}

type Forms = readonly [form: string, bytes: Buffer][];

function formsOf(bytes: Buffer, name: string): Forms {
  if (bytes.length < MIN_SECRET_BYTES) throw new Error(`"${name}" is too short to be searched for`);
  const hex = bytes.toString('hex');
  return [
    ['as it is', bytes],
    ['hex', Buffer.from(hex)],
    ['HEX', Buffer.from(hex.toUpperCase())],
    ...(['base64', 'base64url'] as const).flatMap(encoding =>
      insideBase64(bytes, encoding).map(text => [encoding, Buffer.from(text)] as [string, Buffer]),
    ),
  ];
}

function textForms(secret: string): Forms {
  const utf16 = Buffer.from(secret, 'utf16le');
  return [
    ['UTF-16LE', utf16],
    ['UTF-16BE', Buffer.from(utf16).swap16()],
    ['percent-encoded', Buffer.from(encodeURIComponent(secret))],
  ];
}

/** How the bytes look somewhere inside a longer base64 text: by their place there are three ways. */
function insideBase64(bytes: Buffer, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map(before => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString(encoding)
      .replaceAll('=', '');
    // Characters at the ends hold bits of the neighbours too.
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + bytes.length) * 8) / 6);
    return text.slice(first, last);
  });
}
