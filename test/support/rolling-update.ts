// Runs the commands of the update in docs/operations.md, as they stand there, on both servers of a site.
import assert from 'node:assert/strict';
import { mkdirSync, readlinkSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Block, blocksOf } from './document-blocks.ts';
import { installReleases, NEXT_RELEASE, THIS_RELEASE } from './next-release.ts';
import type { Processes } from './processes.ts';
import { runProgram } from './programs.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'operations.md');
const TITLE = 'Update';
/** Of one block: generous, for a loaded machine. `timeout` takes seconds. */
const COMMAND_S = '60';

export type Release = 'this' | 'next';
export const RELEASES = { this: THIS_RELEASE, next: NEXT_RELEASE } as const;

/** Two servers, each with both releases beside each other and a link to the one in use. */
export type UpdatedSite = {
  /** Every block of the document, in order; `between` after each step (`### 2. …`). */
  update(to: Release, between?: (step: number) => Promise<void>): Promise<void>;
};

export function updating(site: Site, processes: Processes): UpdatedSite {
  const hosts = { a: host(site, site.primary, 'a'), b: host(site, site.secondary, 'b') };

  async function run({ text, words, language }: Block, to: Release): Promise<void> {
    assert.equal(language, 'sh');
    for (const name of words) {
      assert.ok(name === 'a' || name === 'b', `"${name}" is no host of the document`);
      const { server, inUse, placed } = hosts[name];
      const command = placed(text, to).trim();
      if (command.startsWith('thinman-server start')) {
        await server.start(realpathSync(join(inUse, 'node_modules', '.bin', 'thinman-server')));
        continue;
      }
      await runProgram(
        'timeout',
        COMMAND_S,
        'bash',
        '-euc',
        `export PATH=${inUse}/node_modules/.bin:$PATH HOME=${site.folder}\n${command}`,
      );
      if (command.startsWith('thinman-server drain')) {
        assert.equal((await server.process().exited).code, 0, `${server.name} ends by itself, in order`);
      }
    }
  }

  return {
    async update(to, between = async () => {}) {
      const blocks = blocksOf(DOCUMENT, TITLE);
      assert.ok(blocks.length > 0);
      for (const [i, block] of blocks.entries()) {
        await run(block, to);
        if (block.step !== blocks[i + 1]?.step) await between(block.step);
      }
      for (const { inUse, opt } of Object.values(hosts)) assert.equal(readlinkSync(inUse), join(opt, to));
      assert.ok(processes.running().length > 0);
    },
  };
}

/** `/opt/thinman` and `/var/lib/thinman` of a host of the document. */
function host(site: Site, server: Server, name: string) {
  const opt = join(site.folder, `opt-${name}`);
  mkdirSync(opt, { recursive: true });
  installReleases(opt);
  const inUse = join(opt, 'current');
  symlinkSync(join(opt, 'this'), inUse);
  const placed = (text: string, to: Release) =>
    text
      .replaceAll('/var/lib/thinman', server.data)
      .replaceAll('/opt/thinman', opt)
      .replaceAll('/var/backups', join(site.folder, 'backups'))
      .replaceAll('NEW', to);
  return { server, inUse, opt, placed };
}
