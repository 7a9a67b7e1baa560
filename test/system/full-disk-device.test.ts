import assert from 'node:assert/strict';
import { cpSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '../support/agent-commands.ts';
import { canMountDisk, mountSmallDisk, NO_DISK, type SmallDisk } from '../support/disk.ts';
import { expectLogin } from '../support/logins.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { ALICE, BOB, GROUP } from '../support/ward.ts';

// Row 18 on the device: its disk is full, or read-only. Each story has a device of its own, on a disk of its own.

systemTests(
  'row 18: a device whose disk takes nothing any more',
  { skip: canMountDisk() ? false : NO_DISK, wires: true, agents: [] },
  {
    'is full while the agent runs: online works, offline is denied, nothing is lost, all comes back with the room':
      async site => {
        using disk = diskFor(site, 'tc-1');
        const tc1 = await deviceOn(site, 'tc-1');
        await expectLogin(tc1, ALICE, 'granted online by primary');
        disk.fill();
        await onlineButNotOffline(site, tc1);
        disk.free();
        await asEver(site, tc1);
      },

    'is full when the agent starts: the same': async site => {
      using disk = diskFor(site, 'tc-2');
      const tc2 = await deviceOn(site, 'tc-2');
      await expectLogin(tc2, ALICE, 'granted online by primary');
      await tc2.stop();
      disk.fill();
      assert.match(await tc2.start(), /^READY mode=online server=primary$/);
      await onlineButNotOffline(site, tc2);
      disk.free();
      await asEver(site, tc2);
    },

    'fails and is read-only while the agent runs: the same, until it is started on a sound one': async (
      site,
      processes,
    ) => {
      using disk = diskFor(site, 'tc-3');
      const tc3 = await deviceOn(site, 'tc-3');
      await expectLogin(tc3, ALICE, 'granted online by primary');
      disk.fail();
      await onlineButNotOffline(site, tc3);
      await tc3.stop();
      const refused = await processes.run('thinman-agent', ['start', '--data', tc3.data]);
      assert.match(refused.stderr, /^thinman-agent: the disk of [^\n]+ is read-only; remount it and try again\n$/);
      assert.equal(refused.code, 4);

      const saved = join(site.folder, 'saved');
      copyFiles(tc3.data, saved);
      disk[Symbol.dispose]();
      copyFiles(saved, tc3.data);
      await tc3.start();
      await asEver(site, tc3);
    },

    'is full at enrolment: one line, and the token still enrols this device when there is room': async (
      site,
      processes,
    ) => {
      using disk = diskFor(site, 'tc-4');
      const token = (await site.primary.administer(['token', 'device', '--group', GROUP])).trim();
      const enroll = () =>
        processes.run('thinman-agent', ['enroll', token, '--data', join(site.folder, 'tc-4'), '--name', 'tc-4']);
      // None at all; room for the key alone; for that and the certificate; and so on.
      for (const room of ROOM_AT_ENROLMENT_BYTES) {
        disk.free();
        disk.fill(room);
        const { code, stderr } = await enroll();
        assert.match(
          stderr,
          /^thinman-agent: the disk of [^\n]+ is full; make room and try again\n$/,
          `with ${room} bytes`,
        );
        assert.equal(code, 4);
      }
      disk.free();
      const enrolled = await enroll();
      assert.equal(enrolled.code, 0, enrolled.stderr);
      assert.equal((await site.primary.get('Device')).filter(({ name }) => name === 'tc-4').length, 1);
      const agent = processes.start('tc-4', 'thinman-agent', ['start', '--data', disk.folder]);
      assert.match(await agent.waitForLine(/^READY /), /mode=online server=primary$/);
      await agent.stop();
    },
  },
);

const ROOM_AT_ENROLMENT_BYTES = [0, 1, 2, 3].map(blocks => blocks * 1024);

function diskFor(site: Site, device: string): SmallDisk {
  const disk = mountSmallDisk(site.folder, device);
  if (disk === undefined) throw new Error(NO_DISK);
  return disk;
}

function copyFiles(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: path => !lstatSync(path).isSocket() });
}

async function deviceOn(site: Site, name: string): Promise<Agent> {
  const agent = await site.addAgent(name, GROUP);
  await agent.start();
  await waitUntilOn(agent, site.primary);
  return agent;
}

/** Who logs in online gets in, known on the device or not, and the site hears of it; nobody gets in offline. */
async function onlineButNotOffline(site: Site, agent: Agent): Promise<void> {
  await expectLogin(agent, ALICE, 'granted online by primary');
  await expectLogin(agent, BOB, 'granted online by primary');
  await site.settle();
  await site.apart(async () => {
    await expectLogin(agent, ALICE, 'denied cache_damaged offline');
  });
  await waitUntilOn(agent, site.primary);
  await site.settle();
}

async function asEver(site: Site, agent: Agent): Promise<void> {
  await waitUntilOn(agent, site.primary);
  await expectLogin(agent, BOB, 'granted online by primary');
  await site.apart(async () => {
    await expectLogin(agent, BOB, 'granted offline');
    await expectLogin(agent, ALICE, 'granted offline');
    // What happened offline is on the disk again.
    await agent.kill();
    await agent.start();
  });
  await waitUntilOn(agent, site.primary);
  await site.settle();
  await agent.stop();
}
