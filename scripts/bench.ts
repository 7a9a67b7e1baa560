// `npm run bench [-- NAME...] [--json] [--small] [--full]`: what users feel and what hosts pay for, each figure beside its raw floor
// in the same run (docs/benchmarks.md). With `--json` one object alone on stdout (`npm run -s bench -- --json`: npm's own lines go
// there too); else a table. `--small`: only whether the benches work; `--full`: longer, where a figure needs that.
// Ends with 0 when it measured, whatever came out; 2 on wrong use; 4 when something could not be measured.
import { parseArgs } from 'node:util';
import type { Size } from '../test/bench/bench.ts';
import { BENCHES, type BenchEntry, chosenBenches } from '../test/bench/benches.ts';
import { asJson, asTable } from '../test/bench/report.ts';
import { runBenches } from '../test/bench/run-benches.ts';
import { leftOut, provide } from './machine-needs.ts';

const USE = `Use: npm run bench [-- NAME...] [--json] [--small] [--full], with names of ${BENCHES.map(({ name }) => name).join(', ')}`;

const HELP = `${USE}

Measures each of them beside its raw floor in the same run (docs/benchmarks.md explains the figures). Without a name: all but
${BENCHES.filter(({ onlyByName }) => onlyByName)
  .map(({ name }) => name)
  .join(', ')}.

  --json    one JSON object alone on stdout (npm run -s bench: npm's own lines go there too); else a table
  --small   only whether the benches work: the numbers mean nothing
  --full    longer, where a figure needs that
Exit codes: 0 measured, whether targets are met or not, 2 wrong use, 4 something could not be measured.`;

const EXIT = { measured: 0, wrongUse: 2, failed: 4 } as const;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readArguments();
  if (options === 'help') {
    console.log(HELP);
    return EXIT.measured;
  }
  if (typeof options === 'string') {
    console.error(`bench: ${options}. ${USE}`);
    return EXIT.wrongUse;
  }
  const { entries, size, json } = options;
  const files = entries.map(({ name }) => `test/bench/${name}.ts`);
  provide(files);
  const absent = leftOut(files);
  for (const { file, lacks } of absent) {
    console.error(
      `bench: ${file} needs ${lacks.map(({ name }) => name).join(', ')}: install that, or run this as root`,
    );
  }
  const runnable = entries.filter((_, index) => !absent.some(({ file }) => file === files[index]));
  const { figures, failed } = await runBenches(runnable, size, line => console.error(line));
  const [only, ...others] = entries;
  const name = only !== undefined && others.length === 0 ? only.name : 'bench';
  console.log(json ? asJson(name, figures) : asTable(figures));
  return absent.length + failed.length === 0 ? EXIT.measured : EXIT.failed;
}

type Options = { readonly entries: readonly BenchEntry[]; readonly size: Size; readonly json: boolean };

/** Or `help`, or what is wrong with them. */
function readArguments(): Options | string {
  try {
    const flag = { type: 'boolean', default: false } as const;
    const { values, positionals } = parseArgs({
      options: { json: flag, small: flag, full: flag, help: { ...flag, short: 'h' } },
      allowPositionals: true,
    });
    if (values.help) return 'help';
    const unknown = positionals.find(name => !BENCHES.some(entry => entry.name === name));
    if (unknown !== undefined) return `there is no bench "${unknown}"`;
    if (values.small && values.full) return '--small and --full exclude each other';
    return {
      entries: chosenBenches(positionals),
      size: values.small ? 'small' : values.full ? 'full' : 'normal',
      json: values.json,
    };
  } catch (error) {
    // Of several lines, the first says what is wrong.
    return (
      String(error instanceof Error ? error.message : error)
        .split('\n')[0]
        ?.replace(/\.$/, '') ?? ''
    );
  }
}
