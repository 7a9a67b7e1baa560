import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import type {
  ApplyAnswer,
  DeploymentList,
  DeploymentPage,
  DiffAnswer,
  FilePutAnswer,
  HistoryAnswer,
  IfAppliedAnswer,
  ObjectOutput,
  Problem,
  RolloutAnswer,
  SectionResult,
} from '@thinman/protocol';
import { type AdminSite, createAdminSite } from '../../../../test/support/admin-site.ts';
import { PRIMARY, recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import { openSecrets } from '../core/sealed.ts';
import type { StoredObject } from '../ports.ts';
import { createRolloutDriver, DEVICES_A_LOOK, ROLLOUT_LOOK_MS, type RolloutDriver } from '../runtime/rollout-driver.ts';

const withSite = async (work: (site: AdminSite) => Promise<void>) => {
  const site = await createAdminSite();
  try {
    await work(site);
  } finally {
    await site.close();
  }
};

const PICTURE = Buffer.from('a picture');
const put = (site: AdminSite, name: string, bytes = PICTURE) =>
  site.ask('PUT', `/files/${name}`, { body: { content: bytes.toString('base64') } });
const wallpaper = (name: string) => ({
  kind: 'Policy',
  name: 'pictures',
  body: { settings: { appearance: { wallpaper: name } } },
});

/** Devices as enrolment makes them. */
async function addDevices(site: AdminSite, group: string, names: readonly string[]): Promise<void> {
  await site.deps.record.commit({ instance: PRIMARY, epoch: 1, actor: 'test' }, async transaction => {
    for (const name of names) await transaction.put('Device', name, { group }, { keyHash: hash('sha256', name) });
    return { write: true, result: undefined };
  });
  await site.deps.syncNow();
}

let told = 0;
/** The driver that is told of what is stored, as a server's event store tells it. */
let heard: RolloutDriver['heard'] = () => {};
async function tell(site: AdminSite, device: string, result: SectionResult, section = 'power', etag = 'unknown') {
  const version = { epoch: 1, generation: site.deps.replica.position()?.version.generation ?? 0 };
  const event = recordedEvent({
    id: `00000000-0000-7000-8000-${String(++told).padStart(12, '0')}`,
    origin: `device:${device}`,
    type: 'bundle.applied',
    data: { which: 'device', etag, version, sections: { [section]: result } },
  });
  await site.deps.record.storeEvents([event]);
  heard([event]);
}
const APPLIED: SectionResult = { result: 'applied' };
const FAILED: SectionResult = { result: 'failed', why: 'xset is not there' };

test('a file is put, named by a policy, replaced, and kept while somebody names it', () =>
  withSite(async site => {
    const sha256 = hash('sha256', PICTURE, 'hex');
    const made = (await put(site, 'w.png')).body as FilePutAnswer;
    assert.deepEqual([made.sha256, made.bytes, made.change], [sha256, PICTURE.length, 'created']);
    assert.equal(((await put(site, 'w.png')).body as FilePutAnswer).change, 'unchanged');
    await site.apply([wallpaper('w.png')]);
    const dangling = await site.refused([wallpaper('nothing.png')]);
    assert.match(dangling.problems?.[0]?.message ?? '', /names the File "nothing.png", which does not exist/);
    assert.equal((await site.ask('DELETE', '/objects/File/w.png')).status, 422);

    const file = (await site.ask('GET', '/objects/File/w.png')).body as ObjectOutput;
    await site.apply([file]);
    await put(site, 'w.png', Buffer.from('another picture'));
    // The content of before is still there: one object goes back alone.
    await site.apply([{ kind: 'File', name: 'w.png', body: file.body }]);
    await site.apply([wallpaper('')]);
    assert.equal((await site.ask('DELETE', '/objects/File/w.png')).status, 200);
    const pruned = (await site.ask('POST', '/files/prune')).body as { removed: string[] };
    assert.deepEqual(pruned.removed.toSorted(), [sha256, hash('sha256', 'another picture', 'hex')].toSorted());
    const gone = await site.refused([{ kind: 'File', name: 'w.png', body: file.body }]);
    assert.match(gone.problems?.[0]?.message ?? '', /thinman file put FILE --name w.png/);
  }));

test('what is too large for the site has a URL, or is refused', () =>
  withSite(async site => {
    const large = { sha256: 'a'.repeat(64), bytes: 6 * 1024 * 1024 };
    const refused = await site.refused([{ kind: 'File', name: 'f', body: large }]);
    assert.match(refused.problems?.[0]?.message ?? '', /give its url/);
    await site.apply([{ kind: 'File', name: 'f', body: { ...large, url: 'https://files.example.org/f' } }]);
    assert.equal((await put(site, 'g', Buffer.alloc(5 * 1024 * 1024 + 1))).status, 413);
    assert.equal((await put(site, 'g', Buffer.alloc(5 * 1024 * 1024))).status, 200);
    assert.equal((await put(site, 'a%20b')).status, 422);
  }));

test('a deployment shows who has a change, who not yet, who failed and why; only whom it may concern', () =>
  withSite(async site => {
    await site.apply([
      { kind: 'DeviceGroup', name: 'ward', body: {} },
      { kind: 'DeviceGroup', name: 'room', body: { parent: 'ward' } },
      { kind: 'DeviceGroup', name: 'other', body: {} },
      { kind: 'Policy', name: 'quiet', body: { settings: { power: { screenOffAfterMinutes: 5 } } } },
      { kind: 'Assignment', name: 'quiet', body: { policy: 'quiet', to: { deviceGroup: 'ward' } } },
    ]);
    await addDevices(site, 'ward', ['a', 'b', 'c']);
    await addDevices(site, 'room', ['d']);
    await addDevices(site, 'other', ['e']);
    await tell(site, 'c', APPLIED, 'power', 'older');
    const { generation } = await site.apply([
      { kind: 'Policy', name: 'quiet', body: { settings: { power: { screenOffAfterMinutes: 6 } } } },
    ]);
    await tell(site, 'a', APPLIED);
    await tell(site, 'b', FAILED);
    await tell(site, 'e', FAILED);

    const rows: string[] = [];
    let after = '';
    do {
      const page = (await site.ask('GET', `/deployments/${generation}?limit=2${after}`)).body as DeploymentPage;
      assert.deepEqual([page.objects, page.actor], [[{ kind: 'Policy', name: 'quiet' }], 'local']);
      assert.ok(page.items.length <= 2);
      rows.push(...page.items.map(({ device, state, sections }) => `${device} ${state} ${JSON.stringify(sections)}`));
      after = page.next === null ? '' : `&after=${encodeURIComponent(page.next)}`;
    } while (after !== '');
    assert.deepEqual(rows.toSorted(), [
      'a applied {}',
      'b failed {"power":{"result":"failed","why":"xset is not there"}}',
      'c waiting {}',
      'd waiting {}',
    ]);
    const { items } = (await site.ask('GET', '/deployments')).body as DeploymentList;
    assert.deepEqual(items[0], {
      ...{ epoch: 1, generation, at: items[0]?.at, actor: 'local', kinds: { Policy: 1 } },
      ...{ applied: 1, pending: 0, failed: 2 },
    });
    assert.deepEqual([items[1]?.applied, items[1]?.failed], [2, 0], 'the commit before is not to blame');
    const [older] = ((await site.ask('GET', `/deployments?before=${generation}`)).body as DeploymentList).items;
    assert.deepEqual(older, items[1], 'nor on a page of its own');
    assert.equal((await site.ask('GET', '/deployments/9999')).status, 404);
    assert.equal((await site.ask('GET', '/deployments/x')).status, 400);
  }));

test('what lies between two generations', () =>
  withSite(async site => {
    const group = (description: string) => [{ kind: 'DeviceGroup', name: 'g', body: { description } }];
    const { generation: from } = await site.apply(group('one'));
    const { generation: to } = await site.apply(group('two'));
    const diff = (await site.ask('GET', `/diff?from=${from}&to=${to}`)).body as DiffAnswer;
    assert.deepEqual(diff.items, [
      { kind: 'DeviceGroup', name: 'g', before: { description: 'one' }, after: { description: 'two' } },
    ]);
    assert.equal((await site.ask('GET', `/diff?from=${to}&to=${from}`)).status, 400);
    assert.equal((await site.ask('GET', `/diff?from=${from}&to=${to + 1}`)).status, 400);
  }));

const STAGED = [
  { kind: 'DeviceGroup', name: 'pilot', body: {} },
  { kind: 'DeviceGroup', name: 'ward', body: {} },
  { kind: 'Policy', name: 'quiet', body: { settings: { power: { screenOffAfterMinutes: 5 } } } },
  { kind: 'Assignment', name: 'quiet', body: { policy: 'quiet', to: { site: true } } },
];
const NEW_BODY = { settings: { power: { screenOffAfterMinutes: 6 } } };
const rollout = (more: object = {}) => ({
  kind: 'Rollout',
  name: 'r',
  body: {
    ...{ of: { policy: 'quiet' }, to: NEW_BODY },
    stages: [{ deviceGroups: ['pilot'], holdMinutes: 10 }, { deviceGroups: ['ward'] }],
    ...more,
  },
});

async function stagedSite(site: AdminSite, more: object = {}) {
  await site.apply(STAGED);
  await addDevices(site, 'pilot', ['a', 'b']);
  await addDevices(site, 'ward', ['c']);
  await site.apply([rollout(more)]);
  const driver = createRolloutDriver({
    ...{ write: site.deps, site: site.deps, mayDrive: () => true },
    log: { warn: () => assert.fail('a rollout was in trouble'), info: () => {} },
  });
  heard = driver.heard;
  const standing = async () => {
    const { status } = (await site.ask('GET', '/objects/Rollout/r')).body as ObjectOutput;
    return `${status?.state} ${status?.stage ?? ''} ${status?.why ?? ''}`.trim();
  };
  const minutes = (group: string) => {
    const policy = site.deps.configFor(group).policies.get('quiet');
    return policy?.settings.get('power.screenOffAfterMinutes');
  };
  return { driver, standing, minutes };
}

test('a rollout goes from stage to stage as devices tell that they have it, and ends with the object itself', () =>
  withSite(async site => {
    const { driver, standing, minutes } = await stagedSite(site);
    assert.equal(await standing(), 'scheduled');
    await driver.look();
    assert.equal(await standing(), 'running 0');
    assert.deepEqual([minutes('pilot'), minutes('ward')], [6, 5]);
    await tell(site, 'a', APPLIED);
    await tell(site, 'b', APPLIED, 'power', 'the bundle of before');
    await site.clock.advance(10 * 60_000);
    await driver.look();
    assert.equal(await standing(), 'running 0', 'b has told of another bundle alone');
    await tell(site, 'b', { result: 'pending', until: 'reboot' });
    await driver.look();
    assert.equal(await standing(), 'running 1');
    assert.deepEqual([minutes('pilot'), minutes('ward')], [6, 6]);
    await tell(site, 'c', APPLIED);
    await driver.look();
    assert.equal(await standing(), 'finished 1');
    const { body } = (await site.ask('GET', '/objects/Policy/quiet')).body as ObjectOutput;
    assert.deepEqual(body, NEW_BODY);
    assert.deepEqual(
      site.events.filter(({ type }) => type === 'rollout.changed').map(({ data }) => data.state),
      ['running', 'running', 'finished'],
    );
    // Over, it holds nothing any more.
    assert.equal((await site.ask('DELETE', '/objects/Rollout/r')).status, 200);
    await driver.stop();
  }));

test('a stage that has just begun is said to be counted, and is within a moment', () =>
  withSite(async site => {
    const { driver, standing } = await stagedSite(site, {
      stages: [{ deviceGroups: ['pilot'] }, { deviceGroups: ['ward'] }],
    });
    assert.deepEqual(driver.standing('r'), { devices: undefined, isCounting: true });
    await driver.look();
    assert.equal(await standing(), 'running 0');
    assert.equal(driver.standing('r')?.isCounting, true);
    // Whoever looks at the list then has numbers: well below the time of a usual look.
    const soon = async () => {
      await site.clock.advance(ROLLOUT_LOOK_MS / 10);
      return waitFor('the count', () =>
        driver.standing('r')?.isCounting === false ? driver.standing('r') : undefined,
      );
    };
    const none = { applied: 0, pending: 0, failed: 0 };
    assert.deepEqual(await soon(), { devices: { ...none, waiting: 2 }, isCounting: false });
    for (const name of ['a', 'b']) await tell(site, name, APPLIED);
    await driver.look();
    assert.equal(await standing(), 'running 1');
    assert.equal(driver.standing('r')?.isCounting, true, 'the devices of the next stage are not counted yet');
    assert.deepEqual((await soon())?.devices, { ...none, applied: 2, waiting: 1 });
    await driver.stop();
  }));

test('one look at a large stage costs no more than its limit, and nothing is decided before all have been looked at', () =>
  withSite(async site => {
    const { driver, standing } = await stagedSite(site, {
      stages: [{ deviceGroups: ['pilot'] }, { deviceGroups: ['ward'] }],
    });
    const many = Array.from({ length: DEVICES_A_LOOK }, (_, at) => `many-${at}`);
    await addDevices(site, 'pilot', many);
    await driver.look();
    for (const name of ['a', 'b', ...many.slice(1)]) await tell(site, name, APPLIED);
    await tell(site, 'many-0', FAILED);
    const { driver: limited, asked } = (() => {
      let etags = 0;
      const currentEtag = (device: StoredObject) => {
        etags += 1;
        return site.deps.currentEtag(device);
      };
      const options = { write: site.deps, site: { ...site.deps, currentEtag }, mayDrive: () => true };
      const log = { warn: () => assert.fail('a rollout was in trouble'), info: () => {} };
      return { driver: createRolloutDriver({ ...options, log }), asked: () => etags };
    })();
    await limited.look();
    assert.deepEqual([asked(), await standing()], [DEVICES_A_LOOK, 'running 0']);
    assert.equal(limited.standing('r')?.isCounting, true);
    await limited.look();
    assert.deepEqual([asked(), await standing()], [DEVICES_A_LOOK + 2, 'running 1']);
    const { status } = (await site.ask('GET', '/objects/Rollout/r')).body as ObjectOutput;
    assert.deepEqual(status?.devices, { applied: DEVICES_A_LOOK + 1, pending: 0, failed: 1, waiting: 0 });
    await limited.stop();
    await driver.stop();
  }));

test('a rollout that has begun may get other limits, and no other object', () =>
  withSite(async site => {
    const { driver, standing } = await stagedSite(site);
    await site.apply([{ kind: 'Policy', name: 'other', body: NEW_BODY }]);
    await site.apply([rollout({ of: { policy: 'other' } })]);
    await site.apply([rollout()]);
    await driver.look();
    await site.apply([rollout({ advanceAtPercent: 50 })]);
    const { problems = [] }: Problem = await site.refused([rollout({ of: { policy: 'other' } })]);
    assert.match(problems[0]?.message ?? '', /cannot change once it has begun/);
    assert.equal(await standing(), 'running 0');
    await driver.stop();
  }));

test('what get gives of a rollout is taken back, however far it has gone meanwhile', () =>
  withSite(async site => {
    const { driver } = await stagedSite(site);
    await driver.look();
    const given = (await site.ask('GET', '/objects/Rollout/r')).body as ObjectOutput;
    await driver.look();
    await site.apply([{ ...given, status: { ...given.status, state: 'finished' } }]);
    assert.equal(((await site.ask('GET', '/objects/Rollout/r')).body as ObjectOutput).status?.state, 'running');
    await driver.stop();
  }));

test('it stops by itself when a section that it touches fails, goes on when told to, and is taken back when told to', () =>
  withSite(async site => {
    const { driver, standing, minutes } = await stagedSite(site);
    await driver.look();
    await tell(site, 'a', FAILED, 'printers');
    await driver.look();
    assert.equal(await standing(), 'running 0', 'a printer has nothing to do with it');
    await tell(site, 'a', FAILED);
    await driver.look();
    assert.equal(await standing(), 'stopped 0 1 of 1 devices and users failed to apply it, and 5 percent may');
    assert.equal(minutes('pilot'), 6, 'devices keep what they have');
    const act = async (word: string) => (await site.ask('POST', `/rollouts/r/${word}`)).body as RolloutAnswer;
    assert.equal((await act('resume')).status.state, 'running');
    assert.equal((await act('pause')).status.state, 'paused');
    await driver.look();
    assert.equal(await standing(), 'paused 0');
    assert.equal((await act('roll_back')).status.state, 'rolled_back');
    assert.equal(minutes('pilot'), 5);
    // What stays to be seen of it, also by a server that counts nothing.
    const { status } = (await site.ask('GET', '/objects/Rollout/r')).body as ObjectOutput;
    assert.deepEqual(status?.devices, { applied: 0, pending: 0, failed: 1, waiting: 1 });
    // It would change, and nothing would come of it.
    const over: Problem = await site.refused([rollout({ advanceAtPercent: 50 })]);
    assert.match(over.problems?.[0]?.message ?? '', /cannot change: this rollout is over \(rolled_back\)/);
    await site.apply([rollout()]);
    assert.equal((await site.ask('POST', '/rollouts/r/resume')).status, 422);
    assert.equal((await site.ask('POST', '/rollouts/x/pause')).status, 404);
    assert.equal((await site.ask('POST', '/rollouts/r/jump')).status, 400);
    await driver.stop();
  }));

test('it takes itself back where it is told to, and never writes over what somebody else has changed', () =>
  withSite(async site => {
    const { driver, standing, minutes } = await stagedSite(site, {
      onFailure: 'roll_back',
      limits: { failedDevices: 0 },
    });
    await driver.look();
    await tell(site, 'a', FAILED);
    await driver.look();
    assert.match(await standing(), /^rolled_back 0 1 devices and users failed/);
    assert.equal(minutes('pilot'), 5);
    await site.apply([{ ...rollout(), name: 'r2' }]);
    await driver.look();
    const byHand = { settings: { power: { screenOffAfterMinutes: 9 } } };
    await site.apply([{ kind: 'Policy', name: 'quiet', body: byHand }]);
    await driver.look();
    const { status } = (await site.ask('GET', '/objects/Rollout/r2')).body as ObjectOutput;
    assert.match(String(status?.why), /changed by somebody else/);
    await driver.stop();
  }));

test('a secret in a rollout is sealed, shown to nobody, and is the policy’s when it is given', () =>
  withSite(async site => {
    const wifi = (ssid: string, passphrase: unknown) => ({
      settings: { network: { wifi: { networks: [{ ssid, passphrase }] } } },
    });
    const field = 'network.wifi.networks.a.passphrase';
    const rolloutOf = (name: string, to: object, more: object = {}) => ({
      kind: 'Rollout',
      name,
      body: { of: { policy: 'w' }, to, stages: [{ deviceGroups: ['pilot'], holdMinutes: 10 }], ...more },
    });
    const heldBy = (kind: 'Policy' | 'Rollout', name: string) => {
      const { system } = site.deps.replica.get(kind, name) ?? assert.fail();
      const sealed = (system.secrets as Record<string, string> | undefined)?.[field];
      return sealed && site.deps.dataKey.open(sealed, `Policy/w/${field}`);
    };
    const { driver } = await stagedSite(site);
    await site.apply([{ kind: 'Policy', name: 'w', body: wifi('a', 'first-passphrase') }]);
    await site.apply([rolloutOf('w1', wifi('a', 'second-passphrase'))]);
    const stored = async () =>
      JSON.stringify([
        ...site.deps.replica.list('Rollout'),
        ...site.deps.replica.list('Policy'),
        ...(await site.deps.record.history('Rollout', 'w1', 9)),
        ...(await site.deps.record.history('Policy', 'w', 9)),
        (await site.ask('GET', '/objects/Rollout/w1')).body,
      ]);
    assert.doesNotMatch(await stored(), /second-passphrase/);
    assert.deepEqual([heldBy('Policy', 'w'), heldBy('Rollout', 'w1')], ['first-passphrase', 'second-passphrase']);
    const given = (await site.ask('GET', '/objects/Rollout/w1')).body as ObjectOutput;
    assert.equal((await site.apply([given])).changes[0]?.change, 'unchanged');
    assert.equal((await site.apply([rolloutOf('w1', wifi('a', 'second-passphrase'))])).changes[0]?.change, 'unchanged');

    // While it runs the devices of its stages have the new one.
    await driver.look();
    const opened = (group: string) => {
      const networks = site.deps.configFor(group).policies.get('w')?.settings.get('network.wifi.networks');
      return openSecrets(networks, (sealed, context) => site.deps.dataKey.open(sealed, context));
    };
    assert.deepEqual(opened('pilot'), [{ ssid: 'a', passphrase: 'second-passphrase' }]);
    assert.deepEqual(opened('ward'), [{ ssid: 'a', passphrase: 'first-passphrase' }]);
    await site.ask('POST', '/rollouts/w1/roll_back');

    // What is said to be set stays what the policy holds; what nobody holds is refused.
    await site.apply([rolloutOf('w2', { ...wifi('a', { secret: 'set' }), description: 'kept' }, { stages: [] })]);
    await driver.look();
    assert.equal(heldBy('Policy', 'w'), 'first-passphrase');
    const { problems = [] }: Problem = await site.refused([rolloutOf('w3', wifi('b', { secret: 'set' }))]);
    assert.match(problems[0]?.message ?? '', /none is held/);
    await site.apply([rolloutOf('w4', wifi('a', 'third-passphrase'), { stages: [] })]);
    await driver.look();
    assert.equal(heldBy('Policy', 'w'), 'third-passphrase');
    assert.doesNotMatch(await stored(), /third-passphrase/);
    await driver.stop();
  }));

test('a rollout takes a secret that its policy is given, or loses, in the very same apply', () =>
  withSite(async site => {
    const wifi = (passphrase?: unknown) => ({
      settings: { network: { wifi: { networks: [{ ssid: 'a', ...(passphrase !== undefined && { passphrase }) }] } } },
    });
    const field = 'network.wifi.networks.a.passphrase';
    const policy = (body: object) => ({ kind: 'Policy', name: 'w', body });
    const rollout = (name: string) => ({
      kind: 'Rollout',
      name,
      body: { of: { policy: 'w' }, to: { ...wifi({ secret: 'set' }), description: 'new' }, stages: [] },
    });
    const { driver } = await stagedSite(site);
    // In either order: what is applied together is looked at together.
    await site.apply([rollout('w1'), policy(wifi('first-passphrase'))]);
    await driver.look();
    const { body, system } = site.deps.replica.get('Policy', 'w') ?? assert.fail();
    const sealed = (system.secrets as Record<string, string>)[field] ?? assert.fail();
    assert.deepEqual(
      [body.description, site.deps.dataKey.open(sealed, `Policy/w/${field}`)],
      ['new', 'first-passphrase'],
    );
    const { problems = [] }: Problem = await site.refused([policy(wifi()), rollout('w2')]);
    assert.deepEqual(
      problems.map(({ kind, field: of }) => [kind, of]),
      [['Rollout', 'body.to.settings.network.wifi.networks.0.passphrase']],
    );
    await driver.stop();
  }));

test('a rollout goes on over the removal of a server: secrets that are sealed anew are no change of its policy', () =>
  withSite(async site => {
    const wifi = (passphrase: unknown, hidden: boolean) => ({
      settings: { network: { wifi: { networks: [{ ssid: 'a', passphrase, hidden }] } } },
    });
    const { driver } = await stagedSite(site);
    await site.apply(['w', 'v'].map(name => ({ kind: 'Policy', name, body: wifi('first-passphrase', false) })));
    await site.apply(
      Object.entries({ w: 'second-passphrase', v: { secret: 'set' } }).map(([name, passphrase]) => ({
        kind: 'Rollout',
        name,
        body: {
          of: { policy: name },
          to: wifi(passphrase, true),
          stages: [{ deviceGroups: ['pilot'], holdMinutes: 1 }],
        },
      })),
    );
    await driver.look();
    await site.deps.record.commit({ instance: PRIMARY, epoch: 1, actor: 'test' }, async transaction => {
      const system = site.deps.replica.get('Server', 'primary')?.system;
      await transaction.put('Server', 'secondary', { url: 'https://b.example' }, { ...system, instance: 'b' });
      return { write: true, result: undefined };
    });
    assert.equal((await site.ask('DELETE', '/objects/Server/secondary')).status, 200);
    const state = async (name: string) => {
      const { status } = (await site.ask('GET', `/objects/Rollout/${name}`)).body as ObjectOutput;
      return `${status?.state} ${status?.why ?? ''}`.trim();
    };
    await driver.look();
    assert.deepEqual([await state('w'), await state('v')], ['running', 'running']);
    await site.clock.advance(2 * 60_000);
    await driver.look();
    assert.deepEqual([await state('w'), await state('v')], ['finished', 'finished']);
    const opened = (name: string) => {
      const networks = site.deps.config().policies.get(name)?.settings.get('network.wifi.networks');
      return openSecrets(networks, (sealed, context) => site.deps.dataKey.open(sealed, context));
    };
    assert.deepEqual(opened('w'), [{ ssid: 'a', passphrase: 'second-passphrase', hidden: true }]);
    assert.deepEqual(opened('v'), [{ ssid: 'a', passphrase: 'first-passphrase', hidden: true }]);
    await driver.stop();
  }));

test('what is planned begins at its moment by the clock on the wall, and not a minute before', () =>
  withSite(async site => {
    const startMs = site.clock.nowMs();
    const soon = new Date(Math.ceil((startMs + 60_000) / 60_000) * 60_000);
    const activateAt = { at: soon.toISOString().slice(0, 16), timeZone: 'UTC' };
    const { driver, standing, minutes } = await stagedSite(site, { stages: [], activateAt });
    await site.apply([
      { kind: 'Policy', name: 'loud', body: { settings: { power: { screenOffAfterMinutes: 1 } } } },
      { kind: 'Assignment', name: 'loud', body: { policy: 'loud', to: { deviceGroup: 'ward' }, activateAt } },
    ]);
    const assigned = () => site.deps.targetsOf({ kind: 'Policy', name: 'loud' });
    driver.start();
    await site.clock.advance(soon.getTime() - startMs - ROLLOUT_LOOK_MS);
    await driver.look();
    assert.deepEqual([await standing(), minutes('ward'), assigned()], ['scheduled', 5, []]);
    await site.clock.advance(ROLLOUT_LOOK_MS);
    await driver.look();
    assert.deepEqual([await standing(), minutes('ward')], ['finished 0', 6]);
    assert.deepEqual(assigned(), [{ deviceGroup: 'ward' }]);
    assert.equal(site.events.filter(({ type }) => type === 'assignment.activated').length, 1);
    const [made] = ((await site.ask('GET', '/history/Assignment/loud')).body as HistoryAnswer).items;
    assert.equal(made?.actor, 'activateAt');
    await driver.stop();
  }));

test('a moment that is over is told of when it is given, and not again', () =>
  withSite(async site => {
    const aDayAgo = new Date(site.clock.nowMs() - 24 * 60 * 60_000 - 90_000);
    const activateAt = { at: aDayAgo.toISOString().slice(0, 16), timeZone: 'UTC' };
    const assignment = (more: object = {}) => ({
      ...{ kind: 'Assignment', name: 'late' },
      body: { policy: 'quiet', to: { site: true }, activateAt, ...more },
    });
    const told = new RegExp(`^Assignment late: .*${activateAt.at} UTC is over \\(1 day ago\\), so it counts at once`);
    const { driver } = await stagedSite(site, { activateAt: { ...activateAt, at: '2020-01-01T00:00' } });
    const { warnings: ofRollout = [] } = await site.apply([rollout({ activateAt })]);
    assert.match(ofRollout.join(), /^Rollout r: .* so it begins at once/);
    const dry = await site.ask('POST', '/apply', { body: { objects: [assignment()], dryRun: true } });
    assert.match(((dry.body as ApplyAnswer).warnings ?? []).join(), told);
    const foreseen = await site.ask('POST', '/effective', { body: { objects: [assignment()] } });
    const { warnings, later } = foreseen.body as IfAppliedAnswer;
    assert.match((warnings ?? []).join(), told);
    assert.equal(later, undefined, 'it waits for nothing');

    assert.match(((await site.apply([assignment()])).warnings ?? []).join(), told);
    assert.equal((await site.apply([assignment()])).warnings, undefined, 'unchanged');
    await driver.look();
    // Carried out: what else changes of it is no new plan.
    assert.equal(
      (await site.apply([assignment({ priority: 3 }), rollout({ activateAt, limits: {} })])).warnings,
      undefined,
    );
    const tomorrow = new Date(site.clock.nowMs() + 24 * 60 * 60_000).toISOString().slice(0, 16);
    const { warnings: none } = await site.apply([assignment({ activateAt: { at: tomorrow, timeZone: 'UTC' } })]);
    assert.equal(none, undefined);
    await driver.stop();
  }));

test('a rollout is refused that contradicts itself, names what is not there, or changes what another one does', () =>
  withSite(async site => {
    await site.apply([...STAGED, rollout()]);
    const cases: readonly [object, RegExp][] = [
      [{ of: { policy: 'quiet', profile: 'x' } }, /names none or several/],
      [{ of: { policy: 'nothing' } }, /Policy "nothing", which does not exist/],
      [{ to: { settings: { power: { screenOffAfterMinutes: 'long' } } } }, /must be/],
      [{ stages: [{ deviceGroups: ['nowhere'] }] }, /DeviceGroup "nowhere"/],
      [{ activateAt: { at: '2026-02-30T06:00', timeZone: 'Europe/Rome' } }, /is no moment/],
      [{ activateAt: { at: '2026-12-01T06:00', timeZone: 'Europe/Atlantis' } }, /is no moment/],
      [{}, /is what the Rollout "r" changes/],
    ];
    for (const [more, expected] of cases) {
      const { problems = [] }: Problem = await site.refused([{ ...rollout(more), name: 'r2' }]);
      assert.match(problems.map(({ message }) => message).join('; '), expected);
    }
    assert.equal((await site.ask('DELETE', '/objects/DeviceGroup/pilot')).status, 422);
  }));
