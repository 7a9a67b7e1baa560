import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Site } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { GROUP } from '../support/ward.ts';

const policy = (minutes: number) =>
  ({
    kind: 'Policy',
    name: 'quiet-screens',
    body: { scope: 'device', settings: { power: { screenOffAfterMinutes: minutes } } },
  }) as const;
const minutesOn = (site: Site, device: string) =>
  JSON.parse(readFileSync(join(site.agent(device).data, 'applied', 'device-policy.json'), 'utf8')).settings[
    'power.screenOffAfterMinutes'
  ];
const untilMinutes = (site: Site, device: string, minutes: number) =>
  waitFor(`${device} to have ${minutes}`, () => (minutesOn(site, device) === minutes ? true : undefined));
const isAlive = (pid: number) => existsSync(`/proc/${pid}`);

systemTests(
  'a deployment in which somebody is killed',
  { agents: ['tc-1', 'tc-2'] },
  {
    async 'the Primary, at every step of a rollout: no step is lost, none is done twice, and it ends with the object'(
      site,
    ) {
      await site.apply('kind: DeviceGroup\nname: later\nbody: {}\n');
      await site.apply(JSON.stringify({ kind: 'Device', name: 'tc-2', body: { group: 'later' } }));
      await site.apply(
        JSON.stringify({
          kind: 'Assignment',
          name: 'quiet-later',
          body: { policy: 'quiet-screens', to: { deviceGroup: 'later' } },
        }),
      );
      const rollout = {
        kind: 'Rollout',
        name: 'r',
        body: {
          of: { policy: 'quiet-screens' },
          to: policy(21).body,
          stages: [{ deviceGroups: [GROUP] }, { deviceGroups: ['later'] }],
        },
      };
      await site.apply(JSON.stringify(rollout));
      const standing = async () => {
        const [, row = ''] = (await site.primary.administer(['get', 'Rollout'])).split('\n');
        return ['running', 'finished'].find(state => row.includes(state)) ?? 'scheduled';
      };
      const generation = async () => (await site.primary.status()).generation;
      let before = await generation();
      // It begins, goes on to the second stage, and ends: a commit each.
      for (const step of ['running', 'running', 'finished']) {
        await waitFor('the next step', async () => ((await generation()) > before ? true : undefined), 60_000);
        await site.primary.kill();
        await site.primary.start();
        assert.deepEqual(
          [await generation(), await standing()],
          [before + 1, step],
          'what was done is done, and no more',
        );
        before += 1;
      }
      for (const device of ['tc-1', 'tc-2']) await untilMinutes(site, device, 21);
      const [after] = (await site.primary.get('Policy')).filter(({ name }) => name === 'quiet-screens');
      assert.deepEqual(after?.body, policy(21).body);
      const commits = JSON.parse(
        await site.primary.administer(['history', 'Rollout', 'r', '-o', 'json']),
      ) as readonly unknown[];
      assert.equal(commits.length, 4, 'made, begun, gone on, ended');
    },

    async 'two administrators at once: one of them wins, the other one is told of both versions'(site) {
      const [now] = (await site.primary.get('Policy')).filter(({ name }) => name === 'quiet-screens');
      assert.ok(now !== undefined);
      const tries = [31, 32, 33, 34].map(minutes =>
        site
          .apply(JSON.stringify({ ...policy(minutes), generation: now.generation }))
          .then(() => minutes)
          .catch((error: unknown) => String(error)),
      );
      const outcomes = await Promise.all(tries);
      const winners = outcomes.filter(outcome => typeof outcome === 'number');
      assert.equal(winners.length, 1, outcomes.join('\n'));
      for (const outcome of outcomes) {
        if (typeof outcome === 'number') continue;
        assert.match(outcome, /was read at generation \d+/);
        assert.match(outcome, new RegExp(`${winners[0]}`), 'what is there now is shown');
      }
      await untilMinutes(site, 'tc-1', winners[0] ?? 0);
    },

    async 'the agent, while a hook runs: the hook ends with it, and what was asked for is applied after the next start'(
      site,
    ) {
      const tc1 = site.agent('tc-1');
      const hooks = join(tc1.data, 'apply.d');
      mkdirSync(hooks, { recursive: true, mode: 0o755 });
      const note = join(tc1.data, 'hook-pid');
      const done = join(tc1.data, 'hook-done');
      const hook = join(hooks, 'power');
      writeFileSync(hook, `#!/bin/sh\necho $$ > '${note}.new'; mv '${note}.new' '${note}'; exec sleep 1000\n`);
      chmodSync(hook, 0o755);
      await site.apply(JSON.stringify(policy(41)));
      const pid = await waitFor('the hook to run', () =>
        existsSync(note) ? Number(readFileSync(note, 'utf8')) : undefined,
      );
      await tc1.kill();
      await waitFor('the hook to be gone', () => (isAlive(pid) ? undefined : true));
      writeFileSync(hook, `#!/bin/sh\ncat > '${done}'\n`);
      await tc1.start();
      await waitFor('the hook to have run', () =>
        existsSync(done) && /"power.screenOffAfterMinutes":41/.test(readFileSync(done, 'utf8')) ? true : undefined,
      );
      const [stored] = (await site.primary.get('Policy')).filter(({ name }) => name === 'quiet-screens');
      await waitFor('the site to hear of it', async () => {
        const shown = await site.primary.administer(['deployment', 'show', String(stored?.generation)]);
        return /^2 applied/m.test(shown) ? true : undefined;
      });
    },
  },
);
