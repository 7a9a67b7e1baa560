import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { AgentStatus, LocalPamRequest, LoginResult } from '@thinman/protocol';
import { createFailureLimit } from './failure-limit.ts';
import type { LocalAgent } from './local-agent.ts';
import type { UnixAccountSettings } from './local-settings.ts';
import { createPamService } from './pam-service.ts';
import { createUnixAccounts } from './unix-accounts.ts';

const PASSWD = 'root:x:0:0:root:/root:/bin/bash\nkiosk:x:1001:1002:,,,:/home/kiosk:/bin/sh\n';
const STATUS: AgentStatus = {
  device: 'tc-1',
  mode: 'online',
  server: null,
  servers: [],
  epoch: 1,
  generation: 1,
  session: null,
  pendingEvents: 0,
};

let folder: string;
let asked: string[];
let session: AgentStatus['session'];
let result: Partial<LoginResult>;
/** The name under which the agent signs a person in. */
let signedInAs: (user: string) => string;
let troubles: unknown[];
/** What the service wants done later. */
let later: (() => void)[];
let codes: string[];
/** Whoever asked has been killed meanwhile. */
let isGone: boolean;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-pam-'));
  writeFileSync(join(folder, 'passwd'), PASSWD);
  [asked, session, result, troubles, signedInAs, later, codes] = [[], null, {}, [], user => user, [], []];
  isGone = false;
});
afterEach(() => rmSync(folder, { recursive: true }));

const agent: LocalAgent = {
  changePassword: async (user, password, newPassword) => {
    asked.push(`change ${user} ${password} ${newPassword}`);
    if (newPassword !== 'right') return { changed: false, reason: 'password_refused', user };
    result = {};
    return { changed: true, reason: null, user };
  },
  emergency: (user, code) => {
    if (code === undefined) {
      const shown = { device: 'tc-1', user, challenge: '12345678', expiresInMs: 14.2 * 60_000, triesLeft: 4 };
      return { kind: 'answer', answer: { state: 'challenge', ...shown } };
    }
    codes.push(code);
    if (code !== 'ABCDE01234') return { kind: 'refused', code: 'emergency_invalid' };
    return { kind: 'answer', answer: { state: 'accepted', user, hours: 8 } };
  },
  status: () => ({ ...STATUS, session }),
  login: async (user, password) => {
    asked.push(`login ${user}`);
    const granted = password === 'right' && result.verdict !== 'denied';
    if (granted) session = { user: signedInAs(user), mode: 'online', since: 0 };
    const verdict = granted ? ('granted' as const) : ('denied' as const);
    const reason = granted ? null : 'credentials_invalid';
    return { verdict, reason, mode: 'online', server: null, user, epoch: 1, generation: 1, elapsedMs: 1, ...result };
  },
  session: () => ({ user: null, connections: [] }),
  connect: () => 'unknown',
  disconnect: () => 'unknown',
  lock: () => void asked.push('lock'),
  unlock: async () => undefined,
  mayEnd: () => true,
  activity: isIdle => void asked.push(isIdle ? 'idle' : 'active'),
  logout: async () => {
    asked.push('logout');
    session = null;
  },
  onChange: () => () => {},
};

const records = () => join(folder, 'userdb');
const SHARED = () => ({ kind: 'shared', account: 'kiosk', folder: records() }) as const;
const OWN = () =>
  ({ kind: 'own', firstUid: 70_000, lastUid: 70_001, homes: '/home', shell: '/bin/sh', folder: records() }) as const;

function service(settings: UnixAccountSettings | undefined = SHARED()) {
  const files = { uidsFile: join(folder, 'uids.json'), passwdFile: join(folder, 'passwd') };
  const after = (_delayMs: number, action: () => void) => {
    later.push(action);
    return () => {
      later = later.filter(each => each !== action);
    };
  };
  const accounts = createUnixAccounts(settings, files);
  const answer = createPamService(agent, accounts, error => troubles.push(error), { after });
  return (
    type: LocalPamRequest['type'],
    user: string,
    password?: string,
    limit?: ReturnType<typeof createFailureLimit>,
    place = 'lightdm :0',
  ) =>
    answer(
      { type, user, language: 'en', ...(password !== undefined && { password }) },
      { place, isGone: () => isGone, ...(limit !== undefined && { limit }) },
    );
}

const record = (name: string) => JSON.parse(readFileSync(join(records(), name), 'utf8'));

test('a login whose helper is gone when it is granted is taken back: PAM has refused that person', async () => {
  const ask = service();
  isGone = true;
  assert.equal((await ask('auth', 'alice', 'right')).yes, false);
  assert.deepEqual([asked, session], [['login alice', 'logout'], null]);
  assert.deepEqual(readdirSync(folder), ['passwd'], 'and no Unix user is made');

  // What somebody sits before goes on, as it was.
  session = { user: 'alice', mode: 'online', since: 0 };
  await ask('auth', 'alice', 'right');
  assert.deepEqual([asked.splice(0), session?.user], [['login alice', 'logout', 'login alice'], 'alice']);
  session = { user: 'alice', mode: 'online', since: 0, locked: true };
  await ask('auth', 'kiosk', 'right');
  assert.deepEqual(asked.splice(0), ['login alice', 'lock']);
  await ask('auth', 'alice', 'wrong');
  assert.deepEqual(asked.splice(0), ['login alice']);
  session = { user: 'bob', mode: 'online', since: 0 };
  await ask('auth', 'alice', 'right');
  assert.deepEqual([asked, session], [['login alice', 'logout'], null]);
});

test('of two logins of one person the one whose helper is gone takes nothing from the other', async t => {
  const ask = service();
  const waiting: (() => void)[] = [];
  const { login } = agent;
  t.mock.method(agent, 'login', async (user: string, password: string) => {
    await new Promise<void>(resolve => waiting.push(resolve));
    return login(user, password);
  });
  const [one, other] = [ask('auth', 'alice', 'right'), ask('auth', 'alice', 'right')];
  waiting.shift()?.();
  assert.equal((await one).yes, true);
  isGone = true;
  waiting.shift()?.();
  assert.equal((await other).yes, false);
  assert.equal(session?.user, 'alice');
  assert.ok(!asked.includes('logout'));
});

test('a session ends with the last one of Unix, also where the end of an earlier one at that screen was not heard', async () => {
  const ask = service();
  await ask('auth', 'alice', 'right');
  const at = (type: LocalPamRequest['type'], place: string) => ask(type, 'alice', undefined, undefined, place);
  for (const place of ['lightdm :0', 'lightdm :0', 'sshd ssh', 'sshd ssh', 'login /dev/tty1'])
    await at('open_session', place);
  for (const place of ['sshd ssh', 'login /dev/tty1', 'lightdm :0']) await at('close_session', place);
  assert.deepEqual(asked, ['login alice'], 'one is left');
  await at('close_session', 'sshd ssh');
  assert.deepEqual(asked, ['login alice', 'logout']);
  session = { user: 'alice', mode: 'online', since: 0 };
  await at('close_session', 'lightdm :0');
  assert.deepEqual(asked, ['login alice', 'logout', 'logout'], 'of an agent that was started again meanwhile');
});

test('whoever has locked the screen, or was here before the agent was started again, is let in by a password alone', async () => {
  const ask = service();
  await ask('auth', 'alice', 'right');
  assert.equal((await ask('account', 'kiosk')).yes, true);
  session = { user: 'alice', mode: 'online', since: 0, locked: true };
  assert.equal((await ask('account', 'alice')).yes, false);
  // A screen locker asks for the shared account: whoever is signed in is meant.
  assert.equal((await ask('auth', 'kiosk', 'right')).yes, true);
  assert.equal((await ask('account', 'kiosk')).yes, true);
  assert.deepEqual(asked, ['login alice', 'login alice']);
  session = { user: 'alice', mode: 'online', since: 0, locked: true };
  await ask('close_session', 'alice');
  assert.equal(session, null, 'her desktop is gone, locked or not');
});

describe('who logs in', () => {
  test('becomes a Unix user with the uid, the home and the shell of the shared account', async () => {
    assert.deepEqual(await service()('auth', 'alice', 'right'), { yes: true, text: '' });
    const { userName, uid, gid, homeDirectory, shell } = record('alice.user');
    assert.deepEqual([userName, uid, gid, homeDirectory, shell], ['alice', 1001, 1002, '/home/kiosk', '/bin/sh']);
    assert.deepEqual(readdirSync(records()), ['alice.user']);
  });

  test('keeps a uid of their own for good, where each has one, and the last one is the last', async () => {
    const ask = service(OWN());
    await ask('auth', 'alice', 'right');
    await ask('auth', 'bob', 'right');
    rmSync(records(), { recursive: true }); // a boot
    await service(OWN())('auth', 'bob', 'right');
    assert.deepEqual(
      [record('bob.user').uid, record('70001.user').userName, record('thinman-70001.group').gid],
      [70_001, 'bob', 70_001],
    );
    assert.equal(record('bob.user').homeDirectory, '/home/bob');
    const third = await service(OWN())('auth', 'carol', 'right');
    assert.equal(third.yes, false);
    assert.match(String(troubles[0]), /70001/);
  });

  test('is in no group that is called as they are: sudo and polkit give rights by the name of a group', async () => {
    await service(OWN())('auth', 'sudo', 'right');
    assert.equal(record('sudo.user').gid, 70_000);
    const groups = readdirSync(records()).filter(file => file.endsWith('.group'));
    assert.deepEqual(groups, ['70000.group', 'thinman-70000.group']);
    for (const file of groups) assert.equal(record(file).groupName, 'thinman-70000');
  });

  test('with a wrong password is told so, and no account is made', async () => {
    const { yes, text } = await service()('auth', 'alice', 'wrong');
    assert.deepEqual([yes, text], [false, 'The user name or the password is wrong.']);
    assert.throws(() => readdirSync(records()), /ENOENT/);
  });

  test('offline reads that it is offline; locked, how long to wait', async () => {
    result = { mode: 'offline' };
    assert.match((await service()('auth', 'alice', 'right')).text, /offline/);
    result = { reason: 'account_locked', retryAfterMs: 4_200 };
    assert.match((await service()('auth', 'alice', 'wrong')).text, /helpdesk\. Try again in 5 seconds\.$/);
  });

  test('without a password costs no attempt', async () => {
    assert.equal((await service()('auth', 'alice', '')).yes, false);
    assert.deepEqual(asked, []);
  });

  for (const name of ['../alice', 'a/b', 'a:b', '-f', '0', '12', 'a b', '~', '.']) {
    test(`with a name that is none of Unix (${name}) gets no account`, async () => {
      assert.equal((await service()('auth', name, 'right')).yes, false);
      assert.deepEqual(readdirSync(folder), ['passwd']);
    });
  }
});

describe('an account of the machine itself', () => {
  test('is never one of ThinMan’s, whatever password ThinMan knows', async () => {
    for (const settings of [SHARED(), OWN(), undefined]) {
      for (const type of ['auth', 'account'] as const)
        assert.equal((await service(settings)(type, 'root', 'right')).yes, false);
    }
    assert.deepEqual(asked, []);
  });

  test('with which all sessions run is whoever is signed in', async () => {
    const ask = service();
    assert.equal((await ask('auth', 'kiosk', 'right')).yes, false);
    assert.deepEqual(asked, []);
    await ask('auth', 'alice', 'right');
    assert.equal((await ask('auth', 'kiosk', 'right')).yes, true);
    assert.deepEqual(asked, ['login alice', 'login alice']);
    assert.deepEqual(readdirSync(records()), ['alice.user']);
  });
});

describe('a session', () => {
  test('is there for the one who is signed in, also under another form of the name', async () => {
    signedInAs = user => user.replace('LAB\\', '');
    const ask = service();
    await ask('auth', 'LAB\\alice', 'right');
    assert.equal((await ask('account', 'LAB\\alice')).yes, true);
    assert.equal((await ask('account', 'bob')).yes, false);
  });

  test('ends with the last one that PAM closes, and only that of its own user', async () => {
    const ask = service();
    await ask('auth', 'alice', 'right');
    await ask('open_session', 'alice');
    await ask('open_session', 'alice', undefined, undefined, 'sshd ssh');
    await ask('close_session', 'alice');
    await ask('close_session', 'bob');
    assert.deepEqual(asked, ['login alice']);
    await ask('close_session', 'alice');
    assert.deepEqual(asked, ['login alice', 'logout']);
  });

  test('is not ended by whoever may reach the open socket, and failures there are limited', async () => {
    const limit = createFailureLimit(() => 0);
    const ask = service();
    await ask('auth', 'alice', 'right');
    assert.equal((await ask('close_session', 'alice', undefined, limit)).yes, false);
    for (let n = 0; n < 10; n++) await ask('auth', 'alice', 'wrong', limit);
    const { yes, text } = await ask('auth', 'alice', 'right', limit);
    assert.deepEqual([yes, text], [false, 'Too many attempts on this device. Try again in 60 seconds.']);
    assert.ok(!asked.includes('logout'));
  });
});

describe('an expired password', () => {
  const NEW = 'The password has expired. Type a new one in its place, with at least 8 characters.';
  const AGAIN = 'Type the new password again.';
  const expired = () => {
    result = { verdict: 'denied', reason: 'password_expired' };
    const ask = service();
    return async (password: string, name = 'alice', limit?: ReturnType<typeof createFailureLimit>, place?: string) => {
      const { yes, text } = await ask('auth', name, password, limit, place);
      return yes ? 'yes' : text;
    };
  };

  test('is changed in its place, by the new one twice, which signs in', async () => {
    const type = expired();
    assert.deepEqual([await type('old'), await type('right'), await type('right')], [NEW, AGAIN, 'yes']);
    assert.deepEqual(asked, ['login alice', 'change alice old right', 'login alice']);
    assert.deepEqual(readdirSync(records()), ['alice.user']);
    assert.deepEqual(later, [], 'nothing of it is kept');
  });

  test('is not changed by who types it again, two new ones that differ, or one that is refused; by the next ones it is', async () => {
    const type = expired();
    const said = [];
    for (const typed of ['old', 'old', 'one', 'other', 'bad', 'bad', 'right']) said.push(await type(typed));
    const [differ, refused] = [said.splice(3, 1)[0], said.splice(4, 1)[0]];
    assert.deepEqual(said, [NEW, NEW, AGAIN, AGAIN, AGAIN]);
    assert.equal(differ, 'The two new passwords differ. Type them again.');
    assert.match(refused ?? '', /^The new password is not accepted/);
    assert.equal(await type('right'), 'yes');
  });

  test('is forgotten after two minutes, and when anybody else logs in', async () => {
    const type = expired();
    await type('old');
    assert.equal(later.length, 1);
    for (const action of [...later]) action();
    assert.equal(await type('right'), NEW, 'a login, which is denied as before');
    await type('wrong', 'bob');
    assert.equal(await type('right'), NEW);
    assert.ok(asked.every(what => what.startsWith('login')));
  });

  test('is changed at one place by what is typed there: another screen or terminal neither takes part nor ends it', async () => {
    const type = expired();
    const elsewhere = (password: string, name = 'alice') => type(password, name, undefined, 'login tty2');
    assert.equal(await type('old'), NEW);
    assert.equal(await elsewhere('wrong', 'bob'), NEW, 'another user at another place');
    assert.equal(await elsewhere('right'), NEW, 'a login, which is denied as before');
    assert.equal(await type('right'), AGAIN);
    assert.equal(await elsewhere('another'), AGAIN, 'a new password for the change that was begun there');
    assert.equal(await type('right'), 'yes');
    assert.equal(later.length, 1, 'the other one waits for its next step');
    assert.deepEqual(
      asked.filter(what => what.startsWith('change')),
      ['change alice old right'],
    );
  });

  test('is under way at eight places at most: the oldest is forgotten', async () => {
    const type = expired();
    for (let at = 0; at < 9; at += 1) await type('old', 'alice', undefined, `sshd ssh host-${at}`);
    assert.equal(later.length, 8);
    assert.equal(await type('right', 'alice', undefined, 'sshd ssh host-0'), NEW);
    assert.equal(await type('right', 'alice', undefined, 'sshd ssh host-8'), AGAIN);
  });

  test('is told, and not changed, on the socket that anybody may open', async () => {
    const type = expired();
    const limit = createFailureLimit(() => 0);
    for (const typed of ['old', 'right', 'right']) {
      assert.equal(await type(typed, 'alice', limit), 'The password has expired and must be changed.');
    }
    assert.ok(asked.every(what => what.startsWith('login')));
  });
});

describe('where only a code by telephone helps', () => {
  for (const reason of ['cached_login_expired', 'offline_attempts_exhausted', 'clock_went_back']) {
    test(`(${reason}) what to tell the helpdesk is read, and the code is typed in the place of the password`, async () => {
      result = { verdict: 'denied', reason, mode: 'offline' };
      const ask = service();
      const called = await ask('auth', 'alice', 'right');
      assert.equal(called.yes, false);
      assert.match(called.text, /device tc-1, user alice, challenge 1234-5678\..*15 min, 4 tries/);
      assert.deepEqual(codes, []);
      const wrong = await ask('auth', 'alice', '00000-00000');
      assert.match(wrong.text, /^The emergency code is wrong, or its time is over\. For a code/);
      const right = await ask('auth', 'alice', 'abcde-o1234');
      assert.deepEqual(right, { yes: false, text: 'The code is right. Now type your password.' });
      assert.deepEqual(codes, ['0000000000', 'ABCDE01234']);
    });
  }

  test('with any other refusal nothing of a code is said, and none is tried', async () => {
    for (const reason of ['credentials_invalid', 'offline_not_allowed', 'no_cached_login', 'account_locked']) {
      result = { verdict: 'denied', reason, mode: 'offline' };
      assert.doesNotMatch((await service()('auth', 'alice', 'abcde-o1234')).text, /challenge/);
    }
    assert.deepEqual(codes, []);
  });
});
