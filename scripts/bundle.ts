// Puts each command into one file (and parts that only some of its subcommands load): a command that reads 900 small files
// takes three times as long to say something. Needs what `tsc -b` made; does nothing when the bundles are newer than that.
import { existsSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSchemas, dropUnused, readBuiltins } from './bundle-plugins.ts';

/** Of each package. Commands in one list share files; those in different ones never run in one process, and share none. */
const COMMANDS = {
  agent: [['thinman-agent-start'], ['thinman-agent']],
  server: [['thinman-server', 'thinman']],
} as const;

/** Packages written for CommonJS look for these. */
const FOR_COMMONJS =
  "import { createRequire as forCommonJs } from 'node:module'; const require = forCommonJs(import.meta.url);";

process.chdir(`${import.meta.dirname}/..`);
const compiledMs = Math.max(
  ...['protocol', 'agent', 'server'].map(name => changedMs(`packages/${name}/dist/.tsbuildinfo`)),
);
for (const [name, commands] of Object.entries(COMMANDS)) await bundle(join('packages', name, 'dist'), commands);

async function bundle(dist: string, groups: readonly (readonly string[])[]): Promise<void> {
  const outdir = join(dist, 'bundle');
  if (groups.flat().every(command => changedMs(join(outdir, `${command}.js`)) > compiledMs)) return;
  const { build } = await import('esbuild');
  rmSync(outdir, { recursive: true, force: true });
  for (const commands of groups) {
    await build({
      entryPoints: commands.map(command => join(dist, 'cli', `${command}.js`)),
      outdir,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      plugins: [readBuiltins, buildSchemas(resolve('packages/protocol/dist')), dropUnused],
      // They load a binary from beside themselves.
      external: ['better-sqlite3', '@node-rs/argon2'],
      banner: { js: FOR_COMMONJS },
      sourcemap: false,
      // Half as much text to read, and to keep in memory; names stay as they are.
      minifyWhitespace: true,
      minifySyntax: true,
      keepNames: true,
      legalComments: 'linked',
      logLevel: 'warning',
    });
  }
}

function changedMs(file: string): number {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}
