import { readFileSync } from 'node:fs';

/** What this machine is, for filters of assignments. */
export type HostFacts = { readonly model?: string; readonly os?: string };

const VENDOR_FILE = '/sys/class/dmi/id/sys_vendor';
const PRODUCT_FILE = '/sys/class/dmi/id/product_name';
/** Boards without DMI say what they are here. */
const BOARD_FILE = '/proc/device-tree/model';
const OS_FILE = '/etc/os-release';
/** As the wire has it. */
const MAX_CHARS = 128;

/** Read once, at start: a machine does not become another one while it runs. What cannot be read is left out. */
export function readHostFacts(read: (path: string) => string | undefined = readIfThere): HostFacts {
  const dmi = [tidy(read(VENDOR_FILE)), tidy(read(PRODUCT_FILE))].filter(Boolean).join(' ');
  const model = (dmi === '' ? tidy(read(BOARD_FILE)) : dmi).slice(0, MAX_CHARS);
  const os = osName(read(OS_FILE)).slice(0, MAX_CHARS);
  return { ...(model !== '' && { model }), ...(os !== '' && { os }) };
}

/** `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"` of os-release(5). */
function osName(release: string | undefined): string {
  const line = release?.split('\n').find(each => each.startsWith('PRETTY_NAME='));
  return tidy(line?.slice('PRETTY_NAME='.length).replace(/^(["'])(.*)\1$/, '$2'));
}

const isPrintable = (character: string) => character >= ' ' && character !== '\u007f';

/** One line of printable characters. */
function tidy(text: string | undefined): string {
  return [...(text ?? '').toWellFormed()].filter(isPrintable).join('').trim();
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
