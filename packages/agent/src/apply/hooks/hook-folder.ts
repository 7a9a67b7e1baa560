import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../../error-code.ts';
import { SECTION_NAMES } from '../sections.ts';

/** An executable of the folder. */
export type Hook = {
  /** Of its file. */
  readonly name: string;
  readonly path: string;
  /** `any`: of every section. */
  readonly section: string;
};

export type HookFolder =
  | {
      readonly kind: 'hooks';
      readonly hooks: readonly Hook[] /** One line each: what is not run, and why. */;
      readonly refused: readonly string[];
    }
  /** Nothing of it is run. */
  | { readonly kind: 'unfit'; readonly why: string };

/** Of editors and package managers, which put a new file there half written, and keep the one of before. */
const LEFTOVER = /~$|\.(?:dpkg-[a-z]+|rpm(?:new|orig|save)|bak|new|old|orig|swp|tmp)$/;
/** `20-network.sh`, `network`, `90-any`. What begins with a dot, is a leftover, or is no executable is no hook. */
const NAME = /^(?:\d+-)?([a-z]+)(?:[-.].*)?$/;
const WRITABLE_BY_OTHERS = 0o022;
const EXECUTABLE = 0o111;

/** The hooks in the order in which they run, by name. No folder: no hooks. What others could have written is not run. */
export function readHookFolder(folder: string, agentUid: number | undefined = process.getuid?.()): HookFolder {
  try {
    return hooksIn(folder, agentUid);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return { kind: 'hooks', hooks: [], refused: [] };
    return { kind: 'unfit', why: `${folder} cannot be read (${code})` };
  }
}

function hooksIn(folder: string, agentUid: number | undefined): HookFolder {
  const isOurs = ({ uid, mode }: Stats) => (uid === 0 || uid === agentUid) && (mode & WRITABLE_BY_OTHERS) === 0;
  const found = lstatSync(folder);
  if (!found.isDirectory()) return { kind: 'unfit', why: `${folder} is no folder` };
  if (!isOurs(found)) {
    return { kind: 'unfit', why: `others may write to ${folder}: give it to root or the agent's user, mode 0755` };
  }
  const hooks: Hook[] = [];
  const refused: string[] = [];
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || name.startsWith('.') || LEFTOVER.test(name) || stats.isDirectory()) continue;
    if (stats.isFile() && (stats.mode & EXECUTABLE) === 0) continue;
    const section = NAME.exec(name)?.[1] ?? '';
    if (section !== 'any' && !SECTION_NAMES.includes(section)) {
      refused.push(`${name} names no section: call it 50-display or 90-any, say`);
    } else if (!stats.isFile() || !isOurs(stats)) {
      refused.push(
        `${name} is a link, or others may write to it: it must be a file of root or the agent's user, mode 0755`,
      );
    } else {
      hooks.push({ name, path, section });
    }
  }
  return { kind: 'hooks', hooks, refused };
}
