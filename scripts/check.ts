// `npm run check`: everything that is known to be wrong without running it. All steps run, so that one look shows it all.
import { spawnSync } from 'node:child_process';

const STEPS: readonly { readonly name: string; readonly command: readonly [string, ...string[]] }[] = [
  { name: 'lint and format', command: ['biome', 'check', '--error-on-warnings', '--diagnostic-level=warn', '.'] },
  { name: 'types of the packages', command: ['tsc', '-b'] },
  { name: 'types of tests, scripts and examples', command: ['tsc', '-p', 'test/tsconfig.json'] },
  { name: 'types of the greeter page', command: ['tsc', '-p', 'packages/agent/greeter'] },
  { name: 'house rules', command: ['node', 'scripts/check-imports.ts'] },
];

process.chdir(`${import.meta.dirname}/..`);
const env = { ...process.env, PATH: `${process.cwd()}/node_modules/.bin:${process.env.PATH}` };

const failed = STEPS.filter(({ name, command: [program, ...args] }) => {
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env });
  if (error !== undefined) console.error(`${program}: ${error.message}; run \`npm run build\`, which installs it`);
  console.log(`${status === 0 ? '✔' : '✖'} ${name}`);
  return status !== 0;
});

if (failed.length > 0) {
  console.error(`check failed: ${failed.map(({ name }) => name).join(', ')}. \`npm run format\` mends what it can.`);
  process.exitCode = 1;
}
