import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { deviceChannel, frameParsers, serverLink } from './frames.ts';
import { hostileServers } from './hostile-server.ts';
import { localSocket } from './local-sockets.ts';
import { adminPlane, devicePlane, healthRoutes, joinPlane } from './planes.ts';
import { agentBytes, serverBytes } from './raw-bytes.ts';
import { serverAnswers } from './server-answers.ts';
import type { Target } from './target.ts';
import { texts } from './texts.ts';

// biome-ignore lint/suspicious/noExplicitAny: each target knows its own inputs
type AnyTarget = Target<any>;

/** Everything that listens to what is outside. */
export const TARGETS: readonly AnyTarget[] = [
  ...[devicePlane('device'), devicePlane('stranger'), adminPlane('local'), adminPlane('network'), joinPlane()],
  ...[healthRoutes(), serverBytes(), frameParsers(), deviceChannel(), serverLink()],
  ...[localSocket('control'), localSocket('login'), agentBytes(), serverAnswers(), hostileServers(), texts()],
];

const ALL_SHARES = TARGETS.reduce((sum, { share }) => sum + share, 0);

/** What a target gets of so many inputs. */
export function runsOf({ share }: AnyTarget, inputs: number): number {
  return Math.ceil((inputs * share) / ALL_SHARES);
}

/** What was wrong, and all that it takes to see it again. */
export class Found extends Error {
  override readonly name = 'Found';
}

export type FuzzOptions = {
  readonly seed: number;
  readonly runs: number;
};

/** Far above what anything here takes; `ref: false`, for each of these timers outlives its race. */
const ANSWER_MS = 10_000;
/** Time for making a failing input smaller; what is found comes out however large it is by then. */
const SHRINK_MS = 10_000;

/** Runs a target on so many random inputs, from a fresh site. Throws Found. The same seed makes the same inputs. */
export async function fuzz(target: AnyTarget, { seed, runs }: FuzzOptions): Promise<void> {
  const open = await target.open();
  try {
    const property = fc.asyncProperty(target.inputs, async input => {
      const wrong = await Promise.race([open.check(input), setTimeout(ANSWER_MS, 'no answer', { ref: false })]);
      if (wrong !== undefined) throw new Error(wrong);
    });
    const found = await fc.check(property, { seed, numRuns: runs, interruptAfterTimeLimit: SHRINK_MS + runs * 20 });
    if (!found.failed || found.counterexample === null) return;
    const why = found.errorInstance instanceof Error ? found.errorInstance.message : String(found.errorInstance);
    throw new Found(
      [
        `${target.name}: ${why}`,
        `for REGRESSIONS: ${JSON.stringify({ target: target.name, input: found.counterexample[0] })}`,
        `again: npm run fuzz -- --target ${target.name} --seed ${seed}`,
      ].join('\n'),
    );
  } finally {
    await open.close();
  }
}

/** Gives a target these inputs. Throws Found. */
export async function replay(target: AnyTarget, inputs: readonly unknown[]): Promise<void> {
  const open = await target.open();
  try {
    for (const input of inputs) {
      const wrong = await open.check(input);
      if (wrong !== undefined) throw new Found(`${target.name}: ${wrong}\n${JSON.stringify(input)}`);
    }
  } finally {
    await open.close();
  }
}

const BYTES_PER_MIB = 1024 * 1024;

/** Memory of this process that is really in use. */
export function heapMib(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / BYTES_PER_MIB;
}
