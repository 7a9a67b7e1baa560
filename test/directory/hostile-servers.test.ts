// A directory server in somebody else's hands, or one that is broken: whatever it answers, it costs a login, and nothing else.
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { nameProblem } from '@thinman/protocol';
import { openDirectories } from '../support/directories/open-directories.ts';
import { ber, ldap, type Script, startScriptedLdap } from '../support/directories/scripted-ldap.ts';

const DEADLINE_MS = 4_000;
const BASE = 'dc=lab,dc=test';
const MB = 1024 * 1024;
/** The heap of a test process, its modules and 16 MB that are read. */
const MAX_HELD_MB = 150;
const SEARCH_DONE = 0x65;
const BIND_DONE = 0x61;
const REFERRAL = 10;

const alice = (attributes: Parameters<typeof ldap.entry>[1] = {}) =>
  ldap.entry(`uid=alice,${BASE}`, { uid: ['alice'], cn: ['Alice'], ...attributes });
const given = (url: string) => ({
  ...{ type: 'ldap' as const, urls: [url], baseDn: BASE, suffix: 'lab.test' },
  ...{ bindDn: 'cn=service', bindPassword: 'of-the-service' },
});

async function loginAt(script: Script, lines: string[] = [], password = 'a-password') {
  await using server = await startScriptedLdap(script);
  using directories = openDirectories({ lab: given(server.url) }, lines);
  const beganMs = performance.now();
  const answer = await directories.login('alice@lab.test', password);
  assert.ok(performance.now() - beganMs < DEADLINE_MS, 'too late for a device');
  return answer;
}

test('a script that says what it should lets in: the others differ by what they are about', async () => {
  const answer = await loginAt({ search: nth => (nth === 1 ? [alice()] : []) });
  assert.ok(answer.kind === 'granted');
  assert.equal(answer.account.name, 'alice@lab.test');
});

describe('referrals are not followed', () => {
  async function trapped(script: (url: string) => Script) {
    let hits = 0;
    const trap = createServer(socket => {
      hits += 1;
      socket.destroy();
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    trap.listen(0, '127.0.0.1', resolve);
    await promise;
    try {
      const { port } = trap.address() as { port: number };
      return [await loginAt(script(`ldap://127.0.0.1:${port}/${BASE}`)), hits] as const;
    } finally {
      trap.close();
    }
  }

  test('of the base, nor of a bind: the directory cannot be asked, which is nobody’s wrong password', async () => {
    const ofBase = await trapped(url => ({ search: () => [ldap.result(SEARCH_DONE, REFERRAL, '', url)] }));
    assert.deepEqual(ofBase, [{ kind: 'unavailable' }, 0]);
    const ofBind = await trapped(url => ({
      search: () => [alice()],
      bind: () => ldap.result(BIND_DONE, REFERRAL, '', url),
    }));
    assert.deepEqual(ofBind, [{ kind: 'unavailable' }, 0]);
  });

  test('beside what was found: who is only elsewhere is not found, who is here is let in', async () => {
    const [nobody, hits] = await trapped(url => ({
      search: () => [ldap.reference(url)],
      bind: () => ldap.result(BIND_DONE, 49),
    }));
    assert.deepEqual([nobody, hits], [{ kind: 'denied', code: 'credentials_invalid' }, 0]);
    const [here, others] = await trapped(url => ({
      search: nth => (nth === 1 ? [alice(), ldap.reference(url)] : [ldap.reference(url)]),
    }));
    assert.deepEqual([here.kind, others], ['granted', 0]);
  });
});

describe('a server of a directory that', () => {
  const BROKEN: Readonly<Record<string, Script>> = {
    'sends entries without end': {
      raw: (socket, id, operation) => {
        if (operation !== 0x63) return false;
        const entries = Buffer.concat(
          Array.from({ length: 64 }, () => ldap.message(id, ldap.entry(`uid=x,${BASE}`, { cn: ['x'.repeat(8_000)] }))),
        );
        flood(socket, entries);
        return true;
      },
    },
    'sends sixty thousand entries of nothing at once': {
      raw: (socket, id, operation) => {
        if (operation !== 0x63) return false;
        // As short as a message can be: the more of them come with one read.
        const shortest = Buffer.from([0x30, 0x05, 0x02, 0x01, id, 0x64, 0x00]);
        socket.write(Buffer.concat(Array.from({ length: 60_000 }, () => shortest)));
        return true;
      },
    },
    'sends one entry that never ends': {
      raw: (socket, _id, operation) => {
        if (operation !== 0x63) return false;
        socket.write(Buffer.from('3084400000000201016484', 'hex'));
        flood(socket, Buffer.alloc(64 * 1024, 0x30));
        return true;
      },
    },
    'has an entry without a name': { search: () => [ldap.entry('', { uid: ['alice'] })] },
    'has a policy control with half a value in it': {
      search: () => [alice()],
      raw: (socket, id, operation) => {
        if (operation !== 0x60) return false;
        const control = ber(
          0xa0,
          ber(0x30, ber(0x04, '1.3.6.1.4.1.42.2.27.8.5.1'), ber(0x04, Buffer.from('30028105', 'hex'))),
        );
        const number = Buffer.from([0, 0, 0, id]);
        socket.write(ber(0x30, ber(0x02, number), ldap.result(BIND_DONE, 1), control));
        return true;
      },
    },
    'ends its half after the bind': {
      search: () => [alice()],
      raw: (socket, _id, operation) => {
        if (operation !== 0x60) return false;
        socket.end();
        return true;
      },
    },
  };
  for (const [what, script] of Object.entries(BROKEN)) {
    test(`${what} is no wrong password, and ends no process`, async () => {
      const before = process.memoryUsage();
      const answer = await loginAt(script);
      assert.ok(['unavailable', 'undecided'].includes(answer.kind), answer.kind);
      const { heapUsed, external } = process.memoryUsage();
      const heldMb = (heapUsed + external - before.heapUsed - before.external) / MB;
      assert.ok(heldMb < MAX_HELD_MB, `${Math.round(heldMb)} MB`);
    });
  }

  test('has much to say about a bind fills no log', async () => {
    const lines: string[] = [];
    const answer = await loginAt(
      { search: () => [alice()], bind: () => ldap.result(BIND_DONE, 80, 'x'.repeat(MB)) },
      lines,
    );
    assert.deepEqual(answer, { kind: 'unavailable' });
    assert.ok(lines.join('').length < 10_000, `${lines.join('').length} characters`);
  });
});

test('values that no object could have make an account that a device takes', async () => {
  const hostile = {
    uid: [`${'ä'.repeat(300)}/../root`],
    displayName: [`Ann\u0000\u202e\n${'x'.repeat(126)}😀😀`],
    memberOf: [
      `cn=\\,\\+ward\\0a3,${BASE}`,
      'x',
      '=',
      `cn=,${BASE}`,
      `cn=${'g'.repeat(5_000)},${BASE}`,
      `cn=__proto__,${BASE}`,
    ],
    entryUUID: ['\u0000'],
    ...{ __proto__x: ['y'], constructor: ['z'], toString: ['t'], shadowExpire: ['99999999999999999999'] },
  };
  const answer = await loginAt({ search: nth => (nth === 1 ? [alice(hostile)] : []) });
  assert.ok(answer.kind === 'granted', answer.kind);
  const { name, displayName = '', groups, userId } = answer.account;
  assert.equal(nameProblem(name), undefined);
  assert.ok(name.endsWith('@lab.test'), 'whose directory it is stays');
  assert.match(userId, /^[0-9a-f-]{36}$/);
  assert.ok(displayName.isWellFormed() && displayName.length <= 128);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  assert.doesNotMatch(displayName, /[\u0000-\u001f\u202e]/);
  for (const group of groups) assert.equal(nameProblem(group), undefined, group);
});

function flood(socket: Socket, bytes: Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on('drain', more);
  more();
}
