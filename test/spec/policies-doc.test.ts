import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pino from 'pino';
import { runThinman } from '../../packages/server/src/cli/thinman.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { systemClock } from '../../packages/server/src/runtime/clock.ts';
import { createServer, type ThinmanServer } from '../../packages/server/src/server.ts';
import { initSite } from '../../packages/server/src/setup/init-site.ts';
import { freePort } from '../support/loopback.ts';
import { waitFor } from '../support/wait.ts';

// The example of docs/policies.md, as it stands there: its files, its commands, and what they print.

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/policies.md'), 'utf8');
const FILE = /`([a-z]+\.yaml)`:\n\n```yaml\n(.*?)```/gs;
const CONSOLE = /```console\n(.*?)```/gs;

type Command = { readonly args: readonly string[]; readonly printed: string };

/** Lines after a command, up to the next one, are what it prints; none: it is not looked at. */
function commandsIn(document: string): readonly Command[] {
  return Array.from(document.matchAll(CONSOLE), ([, block = '']) => block).flatMap(block =>
    block
      .split(/^\$ thinman /m)
      .filter(Boolean)
      .map(each => {
        const [line = '', ...printed] = each.split('\n');
        return { args: line.split(' '), printed: printed.join('\n') };
      }),
  );
}

let root: string;
let server: ThinmanServer;

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-policies-'));
  for (const [, name = '', content = ''] of DOCUMENT.matchAll(FILE)) writeFileSync(join(root, name), content);
  const data = join(root, 'primary');
  const listen = `127.0.0.1:${await freePort()}`;
  const { siteId } = await initSite({ dataDir: data, name: 'primary', listen, url: `https://${listen}` });
  const record = openSourceOfRecord('sqlite:site.db', { dataDir: data, siteId, clock: systemClock });
  const site = await record.site();
  assert.ok(site !== undefined);
  // As enrolment leaves them.
  const by = { instance: site.primaryInstance, epoch: site.version.epoch, actor: 'test' };
  await record.commit(by, async transaction => {
    for (const name of ['tc-1', 'tc-2']) {
      const keyHash = Buffer.alloc(32, name).toString('base64url');
      const certificate = { certificateSerial: '1', certificateExpiresAt: 1, enrolledAt: 1, enrolledBy: 'test' };
      await transaction.put('Device', name, {}, { keyHash, ...certificate });
    }
    return { write: true, result: undefined };
  });
  await record.close();
  server = createServer({ dataDir: data, log: pino({ enabled: false }) });
  await server.start();
  await waitFor('the devices', async () => ((await thinman(['get', 'device', 'tc-2'])).code === 0 ? true : undefined));
});

after(async () => {
  await server.drain();
  rmSync(root, { recursive: true, force: true });
});

async function thinman(args: readonly string[]) {
  const printed: string[] = [];
  const say = (text: string) => void printed.push(text);
  const inRoot = args.map(arg => (arg.endsWith('.yaml') ? join(root, arg) : arg));
  const code = await runThinman(['node', 'thinman', '--data', join(root, 'primary'), ...inRoot], {
    out: say,
    err: say,
  });
  return { code, printed: printed.join('').replaceAll(`${root}/`, '') };
}

/** A table is filled up with spaces at the ends of its lines, which no document keeps. */
const tidy = (text: string) => text.replaceAll(/ +$/gm, '').trimEnd();

test('the example in the document does what the document says', async () => {
  const commands = commandsIn(DOCUMENT);
  assert.ok(commands.length >= 4);
  for (const { args, printed } of commands) {
    const answer = await thinman(args);
    if (printed.trim() !== '') assert.equal(tidy(answer.printed), tidy(printed), args.join(' '));
    else assert.equal(answer.code, 0, answer.printed);
  }
});

test('what else the document writes is taken', async () => {
  const others = Array.from(DOCUMENT.matchAll(/(?<!`:\n\n)```yaml\n(.*?)```/gs), ([, content = '']) => content);
  assert.ok(others.length >= 3);
  for (const content of others) {
    writeFileSync(join(root, 'other.yaml'), content);
    const { code, printed } = await thinman(['diff', '-f', 'other.yaml']);
    assert.equal(code, 0, `${printed}\n${content}`);
  }
});

test('what docs/deployment.md writes is taken, and its commands are there', async () => {
  const deployment = readFileSync(join(import.meta.dirname, '../../docs/deployment.md'), 'utf8');
  const [, rollout = ''] = /```yaml\n(.*?)```/s.exec(deployment) ?? [];
  const groups = ['pilot', 'ward-3', 'ward-4'].map(name => `kind: DeviceGroup\nname: ${name}\nbody: {}\n`);
  const policy = 'kind: Policy\nname: quiet-screens\nbody: { settings: {} }\n';
  writeFileSync(join(root, 'rollout.yaml'), [...groups, policy, rollout].join('---\n'));
  const applied = await thinman(['apply', '-f', 'rollout.yaml']);
  assert.equal(applied.code, 0, applied.printed);
  const header = (text: string) => text.split('\n', 1)[0]?.split(/ {2,}/);
  const [, shown = ''] = /^\$ thinman rollout list\n(.*)$/m.exec(deployment) ?? [];
  assert.deepEqual(header((await thinman(['rollout', 'list'])).printed), header(shown));
  const asked = [...deployment.matchAll(/^thinman ([a-z]+)( [a-z]+)?/gm)].map(([, one = '', two = '']) => [
    one,
    two.trim(),
  ]);
  assert.ok(asked.length > 8);
  for (const [one = '', two = ''] of asked) {
    const help = await thinman([one, ...(two === '' ? [] : [two]), '--help']);
    assert.match(help.printed, new RegExp(`^Usage: thinman ${one}`), `${one} ${two}`);
  }
});
