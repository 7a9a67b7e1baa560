import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD, USER_PASSWORD } from '../support/directories/hospital.ts';
import { openDirectories } from '../support/directories/open-directories.ts';
import { type Slapd, startSlapd } from '../support/directories/slapd.ts';

const DEADLINE_MS = 4_000;

const BAD: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nothing': () => {},
  'hangs up': socket => socket.destroy(),
  'speaks HTTP': socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n<html>'),
  'sends noise': socket => socket.write(Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919) % 251))),
  'announces a gigabyte': socket => socket.write(Buffer.from('3084400000000201', 'hex')),
  'answers with an entry that is none': socket => socket.write(Buffer.from('300c02010264070400300304013000', 'hex')),
  'says that it is busy': socket => socket.write(Buffer.from('300c02010265070a01330400040000', 'hex')),
};

let slapd: Slapd;
const folder = mkdtempSync(join(tmpdir(), 'thinman-bad-'));
before(async () => {
  slapd = await startSlapd(folder);
});
after(async () => {
  await slapd[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const given = () => ({
  ...{ type: 'ldap' as const, baseDn: BASE_DN, suffix: 'lab.test', ca: slapd.ca },
  ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
});

for (const [what, answer] of Object.entries(BAD)) {
  test(`a directory server that ${what} is no wrong password, and the next one in the list is asked`, async () => {
    const sockets = new Set<Socket>();
    const bad = createServer(socket => {
      sockets.add(socket);
      socket.on('error', () => {}).once('data', () => answer(socket));
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    bad.listen(0, '127.0.0.1', resolve);
    await promise;
    try {
      const { port } = bad.address() as { port: number };
      const url = `ldap://127.0.0.1:${port}`;
      using alone = openDirectories({ lab: { ...given(), urls: [url] } });
      using two = openDirectories({ lab: { ...given(), urls: [url, slapd.ldapsUrl] } });
      const beganMs = performance.now();
      const [denied, granted] = await Promise.all([
        alone.login('alice@lab.test', USER_PASSWORD),
        two.login('alice@lab.test', USER_PASSWORD),
      ]);
      assert.ok(performance.now() - beganMs < DEADLINE_MS);
      assert.equal(denied.kind, 'unavailable');
      assert.equal(granted.kind, 'granted');
      // Known by now: nothing waits for it again.
      assert.deepEqual(
        two.standings().map(({ servers }) => servers.map(({ breaker }) => breaker)),
        [['open', 'closed']],
      );
    } finally {
      bad.close();
      for (const socket of sockets) socket.destroy();
    }
  });
}

test('a directory server that refuses StartTLS is passed over, and no password is sent to it', async () => {
  const heard: Buffer[] = [];
  const sockets = new Set<Socket>();
  const bad = createServer(socket => {
    sockets.add(socket);
    socket
      .on('error', () => {})
      .on('data', (data: Buffer) => {
        heard.push(data);
        // An extended response: a protocol error, under the id of the request.
        socket.write(
          Buffer.concat([
            Buffer.from('300c0201', 'hex'),
            data.subarray(4, 5),
            Buffer.from('78070a010204000400', 'hex'),
          ]),
        );
      });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  bad.listen(0, '127.0.0.1', resolve);
  await promise;
  try {
    const { port } = bad.address() as { port: number };
    using two = openDirectories({ lab: { ...given(), startTls: true, urls: [`ldap://127.0.0.1:${port}`, slapd.url] } });
    assert.equal((await two.login('alice@lab.test', USER_PASSWORD)).kind, 'granted');
    assert.match(two.standings()[0]?.servers[0]?.lastError ?? '', /LDAP 2/);
    const said = Buffer.concat(heard);
    for (const secret of [SLAPD_PASSWORD, USER_PASSWORD]) assert.ok(!said.includes(secret));
  } finally {
    bad.close();
    for (const socket of sockets) socket.destroy();
  }
});

test('a service account that is refused is no wrong password of anybody, and is not tried at each login', async () => {
  const lines: string[] = [];
  using wrong = openDirectories(
    { lab: { ...given(), urls: [slapd.ldapsUrl], bindPassword: 'not-its-password' } },
    lines,
  );
  const before = slapd.binds(SERVICE_DN);
  for (let at = 0; at < 5; at += 1) {
    assert.equal((await wrong.login('alice@lab.test', USER_PASSWORD)).kind, 'unavailable');
  }
  assert.equal(slapd.binds(SERVICE_DN), before + 1);
  assert.match(lines.join(), /refuses its service account/);
  assert.ok(!lines.join().includes('not-its-password'));
  wrong.replace({ lab: { ...given(), urls: [slapd.ldapsUrl] } });
  assert.equal((await wrong.login('alice@lab.test', USER_PASSWORD)).kind, 'granted', 'a mended one holds at once');
});

test('two directories: a name with a domain goes to its own, a plain one to the only one that has it', async () => {
  const lab = { ...given(), urls: [slapd.ldapsUrl] };
  using both = openDirectories({ lab, other: { ...lab, suffix: 'other.test', userFilter: '(&(uid={user})(sn=bob))' } });
  const login = async (user: string) => {
    const answer = await both.login(user, USER_PASSWORD);
    return answer.kind === 'granted' ? answer.account.name : answer.kind;
  };
  assert.equal(await login('bob@lab.test'), 'bob@lab.test');
  assert.equal(await login('bob@other.test'), 'bob@other.test');
  assert.equal(await login('alice@other.test'), 'denied');
  assert.equal(await login('alice'), 'alice@lab.test');
  const before = slapd.binds('uid=bob,');
  assert.equal(await login('bob'), 'denied', 'both have it');
  assert.equal(slapd.binds('uid=bob,'), before, 'the password goes to neither');
  assert.equal(both.claims('bob@elsewhere.test'), 'none');
  const other = { ...lab, suffix: 'other.test', userFilter: '(&(uid={user})(sn=bob))' };
  both.replace({ lab: { ...lab, order: 2 }, other: { ...other, order: 1 } });
  assert.equal(await login('bob'), 'bob@other.test', 'the one of the least order');
  assert.equal(await login('alice'), 'alice@lab.test', 'which the first does not have');
  both.replace({ lab, other: { ...other, order: 1, urls: ['ldaps://127.0.0.1:1'] } }, 3);
  assert.equal(await login('alice'), 'unavailable', 'it may be a name of the one that cannot be asked');
});
