import { visible } from '@thinman/protocol';
import { WORDS } from '../../care/compare-copies.ts';
import { type Verification, verifySite } from '../../care/verify.ts';
import { EXIT } from '../thinman/command-error.ts';
import type { CaResult } from './ca-command.ts';

/** `thinman-server verify`: exit code 1 where something differs. */
export async function verifyCommand(options: { readonly data: string; readonly json?: true }): Promise<CaResult> {
  const found = await verifySite(options.data);
  const clean = found.differenceCount === 0;
  const text = options.json ? `${JSON.stringify({ clean, ...found })}\n` : inWords(found);
  return { text, ...(!clean && { exitCode: EXIT.denied }) };
}

function inWords({ server, record, replica, compared, newer, differences, differenceCount }: Verification): string {
  const more = differenceCount - differences.length;
  const at = replica === undefined ? 'nowhere yet' : `${replica.epoch}.${replica.generation}`;
  return `${[
    `server            ${server}`,
    `source of record  at ${record.epoch}.${record.generation}`,
    `replica           at ${at}`,
    `compared          ${compared} objects, and all commits`,
    ...(newer === 0 ? [] : [`on their way      ${newer} objects of later commits`]),
    ...differences.map(({ what, about }) => `differs           ${visible(about)} ${WORDS[what]}`),
    ...(more > 0 ? [`                  and ${more} more`] : []),
    differenceCount === 0 ? 'clean' : `${differenceCount} differences: see docs/operations.md, "verify"`,
  ].join('\n')}\n`;
}
