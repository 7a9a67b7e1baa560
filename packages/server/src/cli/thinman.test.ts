import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createLocalServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  decodeToken,
  type EffectiveAnswer,
  EffectiveAnswer as EffectiveSchema,
  parseJson,
  ServerStatus,
} from '@thinman/protocol';
import pino from 'pino';
import { freePort } from '../../../../test/support/loopback.ts';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import { systemClock } from '../runtime/clock.ts';
import { createServer, type ThinmanServer } from '../server.ts';
import { initSite, type NewSite } from '../setup/init-site.ts';
import { runThinman } from './thinman.ts';

const MAIN = new URL('./thinman.ts', import.meta.url).href;
const SOURCE = `import { main } from ${JSON.stringify(MAIN)}; await main(['node', 'thinman', ...process.argv.slice(1)]);`;
const HOSPITAL = fileURLToPath(new URL('../../../../examples/hospital', import.meta.url));
const PASSWORD = 'an-administrators-password';

let root: string;
let data: string;
let url: string;
let site: NewSite;
let server: ThinmanServer;

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-cli-'));
  data = join(root, 'primary');
  const listen = `127.0.0.1:${await freePort()}`;
  url = `https://${listen}`;
  site = await initSite({ dataDir: data, name: 'primary', listen, url, adminPassword: PASSWORD });
  server = createServer({ dataDir: data, log: pino({ enabled: false }) });
  await server.start();
});

after(async () => {
  await server.drain();
  rmSync(root, { recursive: true, force: true });
});

/** `thinman ARGS`, in the home folder of `who`. */
async function thinman(
  args: readonly string[],
  { input = '', who = 'nobody' }: { readonly input?: string | Uint8Array; readonly who?: string } = {},
) {
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', SOURCE, '--', ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', XDG_CONFIG_HOME: join(root, 'homes', who) },
  });
  child.stdin.on('error', () => {}).end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number, stdout, stderr };
}
/** The same in this process, on the server's own socket: most tests need no process of their own. */
async function local(args: readonly string[], input?: string) {
  const [out, err]: string[][] = [[], []];
  const files = input === undefined ? [] : ['-f', file('input.yaml', input)];
  const code = await runThinman(['node', 'thinman', '--data', data, ...args, ...files], {
    out: text => out?.push(text),
    err: text => err?.push(text),
  });
  return { code: code as number, stdout: out?.join('') ?? '', stderr: err?.join('') ?? '' };
}

async function done(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await local(args, input);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, '');
  return stdout;
}

/** One line for each mistake, nothing on standard output, and this exit code. */
async function fails(exitCode: number, lines: number, finished: ReturnType<typeof thinman>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  assert.equal(code, exitCode, stderr);
  assert.equal(stdout, '');
  assert.equal(stderr.split('\n').length - 1, lines, stderr);
  assert.ok(
    stderr
      .split('\n')
      .slice(0, -1)
      .every(line => line.startsWith('thinman: ')),
    stderr,
  );
  return stderr;
}

function file(name: string, content: string): string {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
}

test('the hospital of the examples is applied as it stands, and again without a change', async () => {
  assert.match(await done(['diff', '-f', HOSPITAL]), /^created {3}DeviceGroup\/hospital$/m);
  const first = await done(['apply', '-f', HOSPITAL]);
  assert.match(first, /^created {3}User\/anna$/m);
  assert.match(first, /^generation 1\.2: 53 created, 1 updated, 0 unchanged$/m);
  assert.match(await done(['apply', '-f', HOSPITAL]), /^generation 1\.2: 0 created, 0 updated, 54 unchanged\n$/);
  assert.equal(await done(['diff', '-f', HOSPITAL]), 'nothing would change\n');
});

test('what get gives as YAML or JSON is taken back unchanged', async () => {
  for (const kind of ['users', 'Policy', 'assignments', 'sitesettings', 'Servers', 'administrator']) {
    for (const format of ['yaml', 'json']) {
      const given = await done(['get', kind, '-o', format]);
      assert.match(await done(['apply'], given), / 0 created, 0 updated, \d+ unchanged\n$/, `${kind} ${format}`);
    }
  }
});

test('a kind without objects is taken back as well, and a reader that has gone is no failure', async () => {
  const none = await done(['get', 'Directory', '-o', 'json']);
  assert.match(await done(['apply'], none), /^generation 1\.\d+: 0 created, 0 updated, 0 unchanged$/m);
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', SOURCE, '--', '--help'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  assert.deepEqual([code, stderr], [0, '']);
});

test('get -o json is a list of kind, name, generation and body', async () => {
  const [anna, ...others] = JSON.parse(await done(['get', 'User', 'anna', '-o', 'json'])) as object[];
  assert.deepEqual(Object.keys(anna ?? {}), ['kind', 'name', 'generation', 'body']);
  assert.deepEqual(others, []);
  assert.deepEqual(JSON.parse(await done(['get', 'devices', '-o', 'json'])), []);
});

test('a table shows what is worth a column', async () => {
  const users = await done(['get', 'users']);
  assert.match(users, /^NAME +GENERATION +DISPLAY NAME +GROUPS +STATE +PASSWORD$/m);
  assert.match(users, /^anna +2 +Anna Rossi +nurses +64 MiB x 2$/m);
  assert.match(
    await done(['get', 'assignments']),
    /^ward-3-monitors .* profile ward-3-monitors +deviceGroup=ward-3 \+ userGroup=nurses +0$/m,
  );
});

test('each mistake is told by file, line, document, object and field; nothing is applied', async () => {
  const path = file(
    'mistakes.yaml',
    [
      'kind: User',
      'name: zoe',
      'body:',
      '  displayName: Zoe',
      '  groups: [nurses, docs]',
      '---',
      'kind: Policy',
      'name: dark',
      'body:',
      '  settings:',
      '    power:',
      '      screenOffAfterMinutes: soon',
    ].join('\n'),
  );
  const stderr = await fails(2, 2, local(['apply', '-f', path]));
  assert.match(
    stderr,
    /mistakes\.yaml:5 \(document 1\): User zoe: body\.groups\.1 names the UserGroup "docs", which does not exist/,
  );
  assert.match(
    stderr,
    /mistakes\.yaml:12 \(document 2\): Policy dark: body\.settings\.power\.screenOffAfterMinutes must be a whole number/,
  );
  assert.match(await fails(2, 1, local(['get', 'User', 'zoe'])), /There is no User "zoe"/);
});

test('a file that is no YAML, not there, or empty is told before any server is asked', async () => {
  const nowhere = ['--data', join(root, 'no-server')];
  const broken = file('broken.yaml', 'kind: User\nname: [\n');
  assert.match(await fails(2, 1, thinman([...nowhere, 'apply', '-f', broken])), /broken\.yaml:\d+ \(document 1\)/);
  assert.match(await fails(2, 1, thinman([...nowhere, 'apply', '-f', join(root, 'none.yaml')])), /cannot be read/);
  assert.match(
    await fails(2, 1, thinman([...nowhere, 'apply', '-f', '-'], { input: '# nothing\n' })),
    /no object in standard input/,
  );
});

test('a stale generation is refused: what to do, and both versions; nothing of a secret', async () => {
  const stale =
    '{"kind":"User","name":"anna","generation":1,"body":{"displayName":"Anna B.","password":"a-canary-password"}}';
  const told = await fails(2, 5, local(['apply'], stale));
  assert.match(told, /generation was read at generation 1, and it is now at generation 2: get it again/);
  assert.deepEqual(told.split('\n').slice(1, -1), [
    'thinman:   - now, generation 2  + yours, from generation 1',
    'thinman:     - displayName: "Anna Rossi"',
    'thinman:     + displayName: "Anna B."',
    'thinman:     - groups.0: "nurses"',
  ]);
  assert.ok(!told.includes('canary'));
  const none = '{"kind":"User","name":"nobody","generation":7,"body":{}}';
  assert.match(await fails(2, 2, local(['apply'], none)), /\nthinman: {3}- it does not exist now\n$/);

  const deleting = local(['delete', 'User', 'anna', '--generation', '1']);
  assert.match(
    await fails(2, 4, deleting),
    /User anna: was read at generation 1, and it is now at generation 2\nthinman: {3}- now, generation 2\n/,
  );
});

test('diff shows what would change, field by field, and changes nothing', async () => {
  const before = await done(['get', 'User', 'anna', '-o', 'json']);
  const changed = 'kind: User\nname: anna\nbody: { displayName: Anna Bianchi, groups: [nurses], disabled: true }';
  assert.equal(
    await done(['diff'], changed),
    'updated   User/anna\n  + disabled: true\n  - displayName: "Anna Rossi"\n  + displayName: "Anna Bianchi"\n',
  );
  const password =
    'kind: User\nname: anna\nbody: { displayName: Anna Rossi, groups: [nurses], password: a-canary-password }';
  assert.equal(await done(['diff'], password), 'updated   User/anna\n  ~ password or secret\n');
  assert.equal(await done(['get', 'User', 'anna', '-o', 'json']), before);
});

test('history tells what an object was, and rollback makes it that again', async () => {
  await done(['apply'], 'kind: UserGroup\nname: night\nbody: { description: one }');
  const [first] = JSON.parse(await done(['history', 'usergroup', 'night', '-o', 'json'])) as { generation: number }[];
  await done(['apply'], 'kind: UserGroup\nname: night\nbody: { description: two }');
  assert.match(await done(['history', 'UserGroup', 'night']), /local +\{"description":"two"\}/);

  const to = String(first?.generation);
  assert.match(await done(['rollback', 'UserGroup', 'night', '--to', to]), /^updated {3}UserGroup\/night$/m);
  assert.match(await done(['get', 'UserGroup', 'night', '-o', 'yaml']), /description: one/);
  assert.match(
    await fails(2, 1, local(['rollback', 'UserGroup', 'night', '--to', '1'])),
    /did not exist at generation 1/,
  );
  assert.match(await fails(2, 1, local(['rollback', 'UserGroup', 'night', '--to', '9999'])), /no generation 9999 yet/);

  await done(['delete', 'UserGroup', 'night']);
  assert.match(await done(['rollback', 'UserGroup', 'night', '--to', to]), /^created/m);
  await done(['delete', 'UserGroup', 'night']);
});

test('rollback --dry-run says what would change, and changes nothing', async () => {
  await done(['apply'], 'kind: UserGroup\nname: dry\nbody: { description: one }');
  const [{ generation }] = JSON.parse(await done(['history', 'UserGroup', 'dry', '-o', 'json'])) as [
    { generation: number },
  ];
  await done(['apply'], 'kind: UserGroup\nname: dry\nbody: { description: two }');
  const told = await done(['rollback', 'UserGroup', 'dry', '--to', String(generation), '--dry-run']);
  assert.equal(told, 'updated   UserGroup/dry\n  - description: "two"\n  + description: "one"\n');
  assert.match(await done(['get', 'UserGroup', 'dry', '-o', 'yaml']), /description: two/);
  await done(['delete', 'UserGroup', 'dry']);
});

test('rollback --site brings everything back that administrators wrote, and says what it left alone', async () => {
  const { generation } = JSON.parse(await done(['status', '-o', 'json'])) as ServerStatus;
  const users = await done(['get', 'users', '-o', 'json']);
  await done(
    ['apply'],
    'kind: UserGroup\nname: since\nbody: {}\n---\nkind: User\nname: anna\nbody: { displayName: X }',
  );
  const to = ['rollback', '--site', '--to', String(generation)];
  const scope =
    /^Rolled back: SiteSettings, .*, Assignment, and .* devices\. Never: administrators, servers, tokens, keys, .* has the last one\.$/m;

  const dry = await done([...to, '--dry-run']);
  assert.match(
    dry,
    /^updated {3}User\/anna\n {2}- displayName: "X"\n {2}\+ displayName: "Anna Rossi"\n {2}\+ groups.0: "nurses"\n/m,
  );
  assert.match(
    dry,
    new RegExp(`^would be as of generation ${generation}: 0 created, 1 updated, 1 deleted, 0 kept$`, 'm'),
  );
  assert.match(dry, scope);
  assert.match(await done(['get', 'users', '-o', 'json']), /"X"/);

  const told = await done(to);
  assert.match(told, /^deleted {3}UserGroup\/since$/m);
  assert.match(
    told,
    new RegExp(`^generation 1.${generation + 2}, as of ${generation}: 0 created, 1 updated, 1 deleted, 0 kept$`, 'm'),
  );
  const bodies = (list: string) =>
    (JSON.parse(list) as { name: string; body: object }[]).map(({ name, body }) => ({ name, body }));
  assert.deepEqual(bodies(await done(['get', 'users', '-o', 'json'])), bodies(users));
  assert.match(
    await fails(2, 1, local(['rollback', '--site', '--to', '99999'])),
    /99999 is still to come: the site is at generation/,
  );
});

test('what is in use is not deleted; every referrer has a line', async () => {
  assert.match(
    await fails(2, 1, local(['delete', 'profile', 'nurses'])),
    /Profile nurses: is still in use: Assignment "nurses-profile" names it/,
  );
  assert.match(await fails(2, 2, local(['delete', 'usergroup', 'front-desk'])), /User "carla" names it/);
});

test('a token is alone on standard output', async () => {
  const device = await done(['token', 'device', '--group', 'ward-3', '--uses', '3', '--ttl', '90m']);
  const decoded = decodeToken(device);
  assert.ok(decoded.ok && device.split('\n').length === 2);
  assert.deepEqual([decoded.content.for, decoded.content.urls, decoded.content.pins], ['device', [url], [site.caPin]]);
  const forServer = decodeToken(
    await done(['token', 'server', '--name', 'second', '--url', 'https://second.example:8443']),
  );
  assert.ok(forServer.ok && forServer.content.for === 'server');
  assert.match(await done(['get', 'enrollmenttokens']), /device ward-3 +0 of 3/);
});

test('status and events can be read by people and by programs', async () => {
  assert.match(await done(['status']), /^primary +primary +serving +1\.\d+ +sqlite/m);
  assert.ok(parseJson(ServerStatus, await done(['status', '-o', 'json']), 10_000).ok);
  // Events go by the journal: a moment later they are in the database.
  const events = await waitFor('the event of the first apply', async () => {
    const all = JSON.parse(await done(['get', 'Event', '--type', 'admin.commit', '-o', 'json'])) as {
      readonly kind: string;
      readonly name: string;
      readonly generation: number;
      readonly body: { readonly id: string; readonly at: number; readonly origin: string; readonly data: unknown };
    }[];
    return all.length > 2 ? all : undefined;
  });
  for (const { kind, name, generation, body } of events) {
    assert.deepEqual([kind, generation, name, body.origin], ['Event', 0, body.id, 'server:primary']);
  }
  const ats = events.map(({ body }) => body.at);
  assert.deepEqual(
    ats,
    ats.toSorted((a, b) => b - a),
    'newest first',
  );
  assert.equal(JSON.parse(await done(['get', 'events', '--limit', '1', '-o', 'json'])).length, 1);
});

test('a table of events is one page, and says how to get more; JSON is all of them, as one list', async () => {
  const type = 'test.many';
  const many = Array.from({ length: 1_203 }, () => recordedEvent({ type }));
  const record = openSourceOfRecord('sqlite:site.db', { dataDir: data, clock: systemClock });
  await record.storeEvents(many);
  await record.close();

  const lines = (text: string) => text.split('\n').length - 1;
  const table = await done(['get', 'Event', '--type', type]);
  assert.equal(lines(table), 1 + 200 + 1);
  assert.match(table, /\nthe newest 200; more with --limit N, all with -o json\n$/);
  assert.equal(lines(await done(['get', 'Event', '--type', type, '--limit', '1100'])), 1 + 1_100);
  const json = await done(['get', 'Event', '--type', type, '-o', 'json']);
  const all = JSON.parse(json) as { readonly name: string }[];
  assert.deepEqual(
    all.map(({ name }) => name),
    many.map(({ id }) => id).toReversed(),
  );
  assert.equal(json, `${JSON.stringify(all, null, 2)}\n`);
  assert.equal(JSON.parse(await done(['get', 'Event', '--type', type, '--limit', '7', '-o', 'json'])).length, 7);
  assert.equal(await done(['get', 'Event', '--type', 'test.none', '-o', 'json']), '[]\n');
  assert.equal((await done(['get', 'Event', '--type', type, '--limit', '3', '-o', 'yaml'])).split('---\n').length, 3);
});

test('a machine that no server knows is listed, and approved by its key, whatever character that begins with', async () => {
  assert.equal(await done(['device', 'list-unknown']), 'no unknown device has asked in the last week\n');
  assert.equal(await done(['device', 'list-unknown', '-o', 'json']), '[]\n');
  const keyHash = `-${'k'.repeat(42)}`;
  const certificate = { name: 'of-old', serial: '0a', expiresAt: Date.now() + 3_600_000 };
  const record = openSourceOfRecord('sqlite:site.db', { dataDir: data, clock: systemClock });
  const takenAt = Date.now();
  await record.storeEvents(
    ['primary', 'secondary'].map(takenBy =>
      recordedEvent({ type: 'device.unknown', takenBy, takenAt, at: takenAt, data: { keyHash, certificate } }),
    ),
  );
  await record.close();

  assert.match(await done(['device', 'list-unknown']), new RegExp(`^${keyHash} .* primary,secondary +of-old `, 'm'));
  const [item, ...others] = JSON.parse(await done(['device', 'list-unknown', '-o', 'json'])) as [object];
  const body = { keyHash, firstSeenAt: takenAt, lastSeenAt: takenAt, servers: ['primary', 'secondary'], certificate };
  assert.deepEqual([item, others], [{ kind: 'UnknownDevice', name: keyHash, generation: 0, body }, []]);

  const place = ['--name', 'tc-approved', '--group', 'ward-3'];
  assert.match(
    await fails(2, 1, local(['device', 'approve', keyHash, '--name', 'x', '--group', 'no'])),
    /DeviceGroup "no"/,
  );
  assert.match(
    await done(['device', 'approve', keyHash, ...place]),
    /^approved {2}Device\/tc-approved\ngeneration 1\.\d+\n$/,
  );
  assert.match(await done(['get', 'devices']), /^tc-approved +\d+ +ward-3 /m);
  assert.equal(await done(['device', 'list-unknown', '-o', 'json']), '[]\n');
  assert.match(
    await fails(2, 1, local(['device', 'approve', keyHash, ...place])),
    /belongs to the device tc-approved already/,
  );
  await done(['delete', 'Device', 'tc-approved']);
  assert.match(await fails(2, 1, local(['device', 'approve', keyHash, ...place])), /was revoked, and stays so/);
});

/** Between the five seconds of this question and the thirty of every other one. */
const HUNG_TEST_MS = 25_000;

test('a server that hangs is given five seconds to say its state', { timeout: HUNG_TEST_MS }, async () => {
  const hung = createLocalServer(() => {});
  const folder = join(root, 'hung');
  mkdirSync(folder);
  await new Promise<void>(resolve => hung.listen(join(folder, 'admin.sock'), resolve));
  try {
    const stderr = await fails(3, 1, local(['status', '--data', folder]));
    assert.match(stderr, /gives no answer: look at its log, or restart it/);
  } finally {
    hung.closeAllConnections();
    await new Promise(resolve => hung.close(resolve));
  }
});

test('effective asks for what is there', async () => {
  assert.match(await fails(2, 1, local(['effective', '--device', 'tc-9'])), /There is no Device "tc-9"/);
  assert.match(await fails(2, 1, local(['effective'])), /--device/);
  const shape = parseJson(
    EffectiveSchema,
    '{"settings":{},"profile":{"connections":[],"origins":{},"overrides":{}}}',
    1000,
  );
  assert.ok(shape.ok && ({} as EffectiveAnswer) !== undefined);
});

test('over the network: login by pin or by CA file, and a session that only its owner can read', async () => {
  const who = 'ada';
  const not = await fails(2, 1, thinman(['get', 'users', '--server', url], { who }));
  assert.match(not, /not logged in: thinman login --server https/);

  const login = ['login', '--server', url, '--pin', site.caPin, '--password-stdin'];
  const wrongBytes = await fails(2, 1, thinman(login, { who, input: Buffer.from('p\u00e4ssword', 'latin1') }));
  assert.match(wrongBytes, /the password is not UTF-8/);
  const { code, stdout, stderr } = await thinman(login, { who, input: `${PASSWORD}\n` });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /logged in at https.* as admin \(owner\)/);
  const file = join(root, 'homes', who, 'thinman', 'sessions.json');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(readFileSync(file, 'utf8').includes(PASSWORD), false);

  assert.equal((await thinman(['get', 'users'], { who })).code, 0);
  assert.equal((await thinman(['get', 'users', '--server', `${url}/`], { who })).code, 0);
  assert.equal((await thinman(['apply', '-f', '-'], { who, input: 'kind: UserGroup\nname: day\nbody: {}' })).code, 0);
  assert.match(await done(['history', 'UserGroup', 'day']), /admin/);

  const ca = ['login', '--server', url, '--ca', join(data, 'ca.crt'), '--password-stdin'];
  assert.equal((await thinman(ca, { who: 'bea', input: PASSWORD })).code, 0);
});

test('who may not is 1, wrong use is 2, nobody there is 3: one line, which says what to do', async () => {
  const pin = ['--server', url, '--pin', site.caPin];
  const wrong = thinman(['login', ...pin, '--password-stdin'], { input: 'not-the-password' });
  assert.match(await fails(1, 1, wrong), /user name or the password is wrong/);

  const otherPin = ['login', '--server', url, '--pin', 'A'.repeat(43), '--password-stdin'];
  assert.match(await fails(2, 1, thinman(otherPin, { input: PASSWORD })), /does not have this pin/);
  const noTrust = ['login', '--server', url, '--password-stdin'];
  assert.match(await fails(3, 1, thinman(noTrust, { input: PASSWORD })), /not trusted: .*--ca FILE or --pin/);
  const gone = ['login', '--server', 'https://127.0.0.1:9', '--password-stdin'];
  assert.match(await fails(3, 1, thinman(gone, { input: PASSWORD })), /cannot be reached/);
  mkdirSync(join(root, 'empty'));
  assert.match(await fails(3, 1, thinman(['get', 'users', '--data', join(root, 'empty')])), /no server runs in/);

  for (const args of [
    ['get', 'NoSuchKind'],
    ['get'],
    ['get', 'users', '-o', 'xml'],
    ['no-such-command'],
    ['get', 'users', '--no-such-option'],
    ['apply'],
    ['rollback', 'User', 'anna', '--to', 'x'],
    ['rollback', 'User', '--to', '1'],
    ['rollback', '--to', '1'],
    ['rollback', '--site'],
    ['rollback', '--site', 'User', 'anna', '--to', '1'],
    ['rollback', '--site', '--to', '0'],
    ['delete', 'User', 'anna', '--generation', '-1'],
    ['get', 'Event', '--limit', '0'],
    ['get', 'Event', '--limit', 'all'],
    ['token', 'device', '--ttl', 'soon'],
    ['device', 'reenroll', 'tc-nowhere'],
    ['device', 'revoke', 'tc-nowhere'],
    ['device', 'forget', 'tc-nowhere'],
    ['device', 'reenroll'],
    ['device', 'replace', 'tc-1'],
    ['device', 'replace', 'tc-nowhere', '--with', 'tc-other'],
    ['device', 'replace', 'tc-1', '--with', 'tc-1'],
    ['device', 'approve', 'A'.repeat(43)],
    ['device', 'approve', 'A'.repeat(43), '--name', 'tc-new'],
    ['device', 'approve', `-${'A'.repeat(42)}`, '--name', 'tc-new'],
    ['device', 'approve', 'tc-1', '--name', 'tc-new'],
    ['device', 'list-unknown', '-o', 'xml'],
    ['token', 'device', '--group', 'nowhere'],
    ['token', 'server', '--name', 'primary', '--url', 'https://x.example'],
    ['token', 'server', '--name', 'x', '--url', 'http://x.example'],
    ['delete', 'Event', 'x'],
    ['login'],
    ['get', 'users', '--server', url],
  ]) {
    await fails(2, 1, local(args));
  }
});

test('help is for standard output, and no mistake', async () => {
  const { code, stdout } = await thinman(['--help']);
  assert.equal(code, 0);
  for (const command of [
    'login',
    'apply',
    'diff',
    'get',
    'delete',
    'history',
    'rollback',
    'token',
    'device',
    'effective',
    'status',
  ]) {
    assert.match(stdout, new RegExp(`^  ${command}`, 'm'));
  }
});
