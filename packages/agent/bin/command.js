/** Runs a command of this package; `file`: what it is in. Plain JavaScript that an old Node.js can read, to say that it is too old. */
export async function run(name, file) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 24 || (major === 24 && minor < 7)) {
    process.stderr.write(
      `${name} needs Node.js 24.7 or newer; this is ${process.versions.node}. Install a newer Node.js and try again.\n`,
    );
    process.exit(2);
  }
  const { main } = await import(isBundled(file) ? `../dist/bundle/${file}.js` : `../dist/cli/${file}.js`);
  await main(process.argv);
}

/** One file is read much faster than many. In a checkout it may be older than what was compiled since. */
function isBundled(file) {
  const bundledMs = changedMs(`../dist/bundle/${file}.js`);
  return bundledMs > changedMs('../dist/.tsbuildinfo') && bundledMs > changedMs('../../protocol/dist/.tsbuildinfo');
}

/** Asked for here: an import statement would read all of `node:fs`, and load Node's streams by that (ADR 0106). */
function changedMs(path) {
  const { statSync } = process.getBuiltinModule('node:fs');
  return statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
