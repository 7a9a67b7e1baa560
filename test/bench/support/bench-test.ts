import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

const SCRIPT = join(import.meta.dirname, '..', '..', '..', 'scripts', 'bench.ts');
/** Of a figure in `--json`, in this order; and what each of them is. */
const SHAPE = {
  ...{ name: 'string', value: 'number', unit: 'string', floor: 'number', ratio: 'number', target: 'string' },
  met: 'boolean',
};

export type BenchEnd = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** `npm run bench -- ARGS`, without npm's own lines. */
export async function runBench(...args: readonly string[]): Promise<BenchEnd> {
  const child = spawn(process.execPath, ['--conditions=source', SCRIPT, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Not a part of the test runner's own children.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  const ended = new Promise<number | null>(resolve => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, stdout, stderr };
}

/** A test that runs each bench once at the small size. No number is looked at: they mean nothing there. */
export function benchTest(figuresOf: Readonly<Record<string, readonly string[]>>): void {
  const names = Object.keys(figuresOf);
  test(`measures ${names.join(', ')}: one JSON object alone on stdout`, async () => {
    const { code, stdout, stderr } = await runBench('--json', '--small', ...names);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^\{.*\}\n$/);
    const printed: { name: string; figures: Record<string, unknown>[] } = JSON.parse(stdout);
    assert.deepEqual(Object.keys(printed), ['name', 'figures']);
    assert.equal(printed.name, names.length === 1 ? names[0] : 'bench');
    for (const figure of printed.figures) {
      const shape = Object.fromEntries(Object.entries(figure).map(([key, value]) => [key, typeof value]));
      assert.deepEqual(Object.entries(shape), Object.entries(SHAPE), JSON.stringify(figure));
    }
    const expected = Object.values(figuresOf).flat();
    assert.deepEqual(printed.figures.map(({ name }) => name).toSorted(), expected.toSorted());
  });
}
