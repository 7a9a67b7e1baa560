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

const ALL_PARTS = TARGETS.reduce((sum, { parts = 0 }) => sum + parts, 0);

/** What a target gets where routes and channels have so many inputs. */
export function runsOf({ parts = 0, onTop = 0 }: AnyTarget, inputs: number): number {
  return Math.ceil((inputs * parts) / ALL_PARTS + (inputs * onTop) / 100);
}

/** What was wrong, and all that it takes to see it again. */
export class Found extends Error {
  override readonly name = 'Found';
}

export type FuzzOptions = {
  readonly seed: number;
  readonly runs: number;
};

/** Far above what anything here takes. */
const ANSWER_MS = 10_000;
/** Time for an input, and for making a failing one smaller: what is found comes out however large it is by then. */
const INPUT_MS = 20;
const SHRINK_MS = 10_000;

/** Runs a target on so many random inputs, from a fresh site. Throws Found. The same seed makes the same inputs. */
export async function fuzz(target: AnyTarget, { seed, runs }: FuzzOptions): Promise<void> {
  const open = await target.open();
  const patience = createPatience();
  try {
    const property = fc.asyncProperty(target.inputs, async input => {
      const wrong = await Promise.race([open.check(input), patience.over()]);
      if (wrong !== undefined) throw new Error(wrong);
    });
    const found = await fc.check(property, {
      seed,
      numRuns: runs,
      interruptAfterTimeLimit: SHRINK_MS + runs * INPUT_MS,
    });
    if (!found.failed && found.numRuns === runs) return;
    if (found.counterexample === null) throw new Error(`${target.name}: ${found.numRuns} of ${runs} inputs in time`);
    const why = found.errorInstance instanceof Error ? found.errorInstance.message : String(found.errorInstance);
    throw new Found(
      [
        `${target.name}: ${why}`,
        `for REGRESSIONS: ${JSON.stringify({ target: target.name, input: found.counterexample[0] })}`,
        `again: npm run fuzz -- --target ${target.name} --seed ${seed}`,
      ].join('\n'),
    );
  } finally {
    patience.end();
    await open.close();
  }
}

/** One timer for all inputs: a hundred thousand that outlive their races would be most of the memory. */
function createPatience() {
  let giveUp: (wrong: string) => void = () => {};
  const timer = setTimeout(() => giveUp('no answer'), ANSWER_MS);
  return {
    over: () =>
      new Promise<string>(resolve => {
        giveUp = resolve;
        timer.refresh();
      }),
    end: () => clearTimeout(timer),
  };
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
