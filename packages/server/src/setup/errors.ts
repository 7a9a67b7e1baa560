import type { Problem } from '@thinman/protocol';

/** No server of the token answers. Exit code 3. */
export class PrimaryUnreachable extends Error {
  override readonly name = 'PrimaryUnreachable';
}

/** A server has answered no. Exit code 1. */
export class JoinDenied extends Error {
  override readonly name = 'JoinDenied';
  readonly problem: Problem;
  /** No server has counted this joiner's use of the token: its keys are of no use. */
  readonly isFinal: boolean;
  constructor(problem: Problem, isFinal: boolean) {
    const primary = problem.primaryUrl === undefined ? '' : ` The Primary is ${problem.primaryUrl}.`;
    super(
      `the Primary refuses: ${problem.title}${problem.detail === undefined ? '' : ` (${problem.detail})`}${primary}`,
    );
    this.problem = problem;
    this.isFinal = isFinal;
  }
}

/** The way is free, and yet it cannot be done. Exit code 4. */
export class JoinFailed extends Error {
  override readonly name = 'JoinFailed';
}
