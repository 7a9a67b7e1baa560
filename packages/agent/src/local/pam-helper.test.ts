import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';

const HELPER = join(import.meta.dirname, '../../pam/thinman-pam');
/** Above the five seconds that the helper gives an agent, below the minute of a login. */
const HUNG_TEST_MS = 25_000;

let folder: string;
let server: Server;
let heard: { url: string | undefined; body: unknown }[];
let places: unknown[];
let answer: { status: number; text: string } | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-helper-'));
  [heard, places, answer] = [[], [], { status: 200, text: '' }];
  server = createServer(async (request, response) => {
    places.push(request.headers['thinman-pam-place']);
    heard.push({ url: request.url, body: JSON.parse(await text(request)) });
    if (answer !== undefined) response.writeHead(answer.status).end(answer.text);
  });
  server.listen(join(folder, 'control.sock'));
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

async function help(
  type: string,
  input: string | Buffer = '',
  user = 'alice',
  dataDir = folder,
  more = {},
  command: readonly [string, ...string[]] = [HELPER, dataDir],
) {
  const env = { LANG: 'de_DE.UTF-8', ...more, PAM_TYPE: type, PAM_USER: user };
  const [program, ...args] = command;
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {}).end(input);
  const [said, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  assert.equal(errors, '');
  return { code, said };
}

test('the helper of pam_exec hands on what was typed, whatever it is made of', async () => {
  for (const password of ['right', 'pässwörd "\\\u0001\n 日本', ' ']) {
    heard = [];
    assert.deepEqual(await help('auth', `${password}\0`), { code: 0, said: '' });
    const body = { type: 'auth', user: 'alice', language: 'de_DE.UTF-8', password };
    assert.deepEqual(heard, [{ url: '/v1/pam', body }]);
  }
});

test('for a program that is setuid it works as well: Perl trusts no argument then', async () => {
  const setuid = ['/usr/bin/perl', '-T', HELPER, folder] as const;
  assert.equal((await help('auth', 'right', 'alice', folder, { LANG: 'C' }, setuid)).code, 0);
});

test('no file of Perl is loaded for it: that would take as long as all the rest', async () => {
  const loaded = 'my $helper = shift; END { print join ",", grep { $_ ne $helper } keys %INC } do $helper';
  const command = ['/usr/bin/perl', '-e', loaded, HELPER, folder] as const;
  assert.deepEqual(await help('auth', 'right', 'alice', folder, { LANG: 'C' }, command), { code: 0, said: '' });
  assert.equal(heard.length, 1);
});

test('it speaks the language of the machine, as PAM tells it none', async () => {
  const file = join(folder, 'locale');
  const spoken = async (content: string) => {
    writeFileSync(file, content);
    heard = [];
    await help('account', '', 'alice', folder, { LANG: '' }, [HELPER, folder, join(folder, 'none'), file]);
    return (heard[0]?.body as { language: string } | undefined)?.language;
  };
  assert.equal(await spoken('# comment LANG=fr_FR\nLANG="it_IT.UTF-8"\n'), 'it_IT.UTF-8');
  assert.equal(await spoken('LANG=en_US.UTF-8\nLC_MESSAGES=de_AT.UTF-8\n'), 'de_AT.UTF-8');
  assert.equal(await spoken('LANGUAGE=de\n'), '');
});

test('it says where it was asked, in one line, whatever that is made of', async () => {
  await help('auth', 'right', 'alice', folder, { PAM_SERVICE: 'lightdm', PAM_TTY: ':0' });
  const rhost = 'h\r\nthinman-pam-place: öther';
  await help('auth', 'right', 'alice', folder, { PAM_SERVICE: 'sshd', PAM_TTY: 'ssh', PAM_RHOST: rhost });
  await help('auth', 'right', 'alice', folder, { PAM_SERVICE: 'x'.repeat(1_000) });
  assert.deepEqual(places, ['lightdm :0', 'sshd ssh h__thinman-pam-place: __ther', 'x'.repeat(200)]);
  assert.equal(heard.length, 3);
});

test('no language keeps anybody out', async () => {
  for (const [LC_ALL, language] of [
    ['x'.repeat(200), 'x'.repeat(64)],
    ['it_IT.UTF-8@euro', 'it_IT.UTF-8@euro'],
    ['\u00e9', ''],
  ]) {
    heard = [];
    assert.equal((await help('auth', 'right', 'alice', folder, { LC_ALL })).code, 0);
    assert.deepEqual(heard[0]?.body, { type: 'auth', user: 'alice', language, password: 'right' });
  }
});

test('it says what the agent says, and yes for 200 alone', async () => {
  answer = { status: 200, text: 'Sie arbeiten offline.' };
  assert.deepEqual(await help('auth', 'right'), { code: 0, said: 'Sie arbeiten offline.\n' });
  for (const status of [403, 400, 429, 500, 204]) {
    answer = { status, text: status === 204 ? '' : 'HTTP/1.1 200' };
    const { code, said } = await help('auth', 'right');
    assert.equal(code, 1, String(status));
    assert.match(said, status === 403 ? /^HTTP/ : /^ThinMan: .+ no such name or password/, 'no document for programs');
  }
});

test('it asks for no password but to log in, and is no for what it does not know', async () => {
  await help('account', 'right');
  assert.deepEqual(heard[0]?.body, { type: 'account', user: 'alice', language: 'de_DE.UTF-8' });
  assert.equal((await help('password', 'right')).code, 1);
  assert.equal((await help('', 'right')).code, 1);
  assert.equal(heard.length, 1);
});

test('without an agent it says so; one that hangs is given five seconds', { timeout: HUNG_TEST_MS }, async () => {
  assert.deepEqual(await help('auth', 'right', 'alice', join(folder, 'none')), {
    code: 1,
    said: 'ThinMan: the agent of this device is not running\n',
  });
  answer = undefined;
  assert.deepEqual(await help('account'), { code: 1, said: 'ThinMan: the agent of this device gives no answer\n' });
});
