import { tmpdir } from 'node:os';
import { createScratch } from '../support/scratch.ts';
import type { Figure, Size } from './bench.ts';
import type { BenchEntry } from './benches.ts';
import { FOLDER_PREFIX, markFolder, removeLeftovers } from './support/leftovers.ts';

export type BenchRun = {
  readonly figures: readonly Figure[];
  /** Benches that could not measure. */
  readonly failed: readonly string[];
};

/** One after the other, each with a folder and processes of its own. One that fails stops none of the others. */
export async function runBenches(
  entries: readonly BenchEntry[],
  size: Size,
  say: (line: string) => void,
): Promise<BenchRun> {
  const figures: Figure[] = [];
  const failed: string[] = [];
  await removeLeftovers(tmpdir(), say);
  for (const { name, load } of entries) {
    const startedMs = performance.now();
    try {
      const bench = await load();
      say(`${name}: ${bench.about}`);
      await using scratch = createScratch(`${FOLDER_PREFIX}${name}-`);
      const { folder, processes } = scratch;
      markFolder(folder);
      figures.push(...(await bench.run({ size, folder, processes, say: line => say(`  ${line}`) })));
      say(`  measured in ${Math.round((performance.now() - startedMs) / 1000)} s`);
    } catch (error) {
      failed.push(name);
      say(`${name} FAILED: ${error instanceof Error ? error.stack : error}`);
    }
  }
  return { figures, failed };
}
