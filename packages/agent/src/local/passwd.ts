import { readFileSync } from 'node:fs';
import { errorCode } from '../error-code.ts';

export type PasswdEntry = {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
};

/** The accounts of this machine itself (`man 5 passwd`), by name. No file: none. */
export function readPasswd(file: string): ReadonlyMap<string, PasswdEntry> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return new Map();
    throw error;
  }
  return new Map(
    text.split('\n').flatMap(line => {
      const [name = '', , uid = '', gid = '', , home = '', shell = ''] = line.split(':');
      return name === '' || uid === '' ? [] : [[name, { name, uid: Number(uid), gid: Number(gid), home, shell }]];
    }),
  );
}
