// Says in one word what this checkout lacks: `packages` (node_modules is not what package-lock.json says), `node` (only
// the pinned Node.js does not run), or nothing. Plain JavaScript, because it runs on whatever Node.js is installed.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;

/** npm's own record of what it installed; without one nothing counts as installed. */
function readInstalled() {
  try {
    return JSON.parse(readFileSync('node_modules/.package-lock.json', 'utf8')).packages;
  } catch {
    return {};
  }
}

function packagesFit() {
  const installed = readInstalled();
  return Object.entries(wanted).every(([path, want]) => {
    if (path === '') return true;
    const have = installed[path];
    // Builds for other platforms are in the lock, but not installed.
    if (have === undefined) return want.optional === true;
    return have.version === want.version && have.integrity === want.integrity && existsSync(path);
  });
}

function pinnedNodeRuns() {
  try {
    const version = execFileSync('node_modules/.bin/node', ['--version'], { encoding: 'utf8', stdio: 'pipe' }).trim();
    return version === `v${wanted['node_modules/node'].version}`;
  } catch {
    return false;
  }
}

if (!packagesFit()) console.log('packages');
else if (!pinnedNodeRuns()) console.log('node');
