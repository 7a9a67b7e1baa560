import { ERRORS, isErrorCode, type Problem } from '@thinman/protocol';
import type { CommanderError } from 'commander';
import { conflictLines } from './conflict-lines.ts';

/** Exit codes of every command (`design.md`, Commands: a contract). */
export const EXIT = { done: 0, denied: 1, misuse: 2, unreachable: 3, failed: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command: each line says what is wrong and what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;
  readonly lines: readonly string[];
  constructor(exitCode: ExitCode, ...lines: readonly string[]) {
    super(lines.join('\n'));
    this.exitCode = exitCode;
    this.lines = lines;
  }
}

/** The server answered with a problem document. */
export class RefusedByServer extends Error {
  override readonly name = 'RefusedByServer';
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}

/**
 * What commander says of a wrong command line (several lines), as one, without what was given: somebody may have typed a
 * password there.
 */
export function misuse(command: string, error: CommanderError): string {
  const words = error.message
    .replace(/^error: /, '')
    .replace(/^(unknown option '--[^'=]*)=.*'/s, "$1'")
    .replace(/^(unknown option '-[^-']).*'/s, "$1'")
    .replace(/(but got \d+): .*$/s, '$1')
    .replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean "$1"?');
  return `${words} (see ${command} --help)`;
}

const MS_PER_SECOND = 1000;

/** Their detail says all that their title says. */
const SAID_BY_DETAIL: readonly string[] = ['not_found', 'name_taken', 'bad_request'];

/** Wrong or refused input is 2; somebody who may not is 1; a server that cannot is 4. */
export function exitCodeOf({ code, status }: Problem): ExitCode {
  if (code === 'forbidden' || code === 'too_many_attempts') return EXIT.denied;
  if (isErrorCode(code) && ERRORS[code].scope === 'verdict') return EXIT.denied;
  return status >= 500 ? EXIT.failed : EXIT.misuse;
}

/** A refusal for people: a line for each mistake (with both versions, where they conflict), or one. `where` says from which place of the input an object came. */
export function refusalLines(
  problem: Problem,
  where: (index: number, field: string) => string = () => '',
): readonly string[] {
  const mistakes = (problem.problems ?? []).flatMap(({ index, kind, name, field, message }) => {
    const object = kind === undefined ? '' : `${kind} ${name ?? ''}`.trim();
    const parts = [index === undefined ? '' : where(index, field), object, `${field} ${message}`.trim()];
    const conflict = problem.conflicts?.find(of => of.kind === kind && of.name === name && of.index === index);
    return [parts.filter(part => part !== '').join(': '), ...(conflict === undefined ? [] : conflictLines(conflict))];
  });
  if (mistakes.length > 0) return mistakes;
  const wait =
    problem.retryAfterMs === undefined ? '' : `Try again in ${Math.ceil(problem.retryAfterMs / MS_PER_SECOND)} s.`;
  const title = problem.detail !== undefined && SAID_BY_DETAIL.includes(problem.code) ? '' : problem.title;
  return [[title, problem.detail ?? '', wait].filter(part => part !== '').join(' ')];
}
