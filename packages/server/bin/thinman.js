#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 7)) {
  process.stderr.write(
    `thinman needs Node.js 24.7 or newer; this is ${process.versions.node}. Install a newer Node.js and try again.\n`,
  );
  process.exit(2);
}
const { main } = await import('../dist/cli/thinman.js');
await main(process.argv);
