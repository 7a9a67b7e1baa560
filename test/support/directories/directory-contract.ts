import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isWithinWeekHours } from '@thinman/protocol';
import type { DirectoryAnswer } from '../../../packages/server/src/directory/directories.ts';
import { ANSWER_STEP_MS } from '../../../packages/server/src/directory/even-answers.ts';
import { differsByMore } from '../rank-test.ts';
import { waitFor } from '../wait.ts';
import { createFaultyWire } from './faulty-wire.ts';
import { USER_PASSWORD } from './hospital.ts';
import { type Given, type OpenDirectories, openDirectories } from './open-directories.ts';

/** A real directory with alice in ward-3 in hospital in staff in "Night Shift", with bob, and as many more as are asked for. */
export type DirectoryLab = AsyncDisposable & {
  readonly url: string;
  /** With a service account. */
  readonly given: Given;
  readonly withoutServiceAccount: Given;
  readonly startTls: Given;
  /** How alice may be typed beside `alice@lab.test`. */
  readonly names: readonly string[];
  addUser(name: string): Promise<void>;
  /** Wrong passwords that the directory has counted for this user. */
  counted(user: string): Promise<number>;
  /** Puts a user into each of these states, and says what a right password is answered then. */
  readonly states: Readonly<
    Record<string, { make(user: string): Promise<void>; readonly code: string; readonly whoever?: true }>
  >;
  /** Another name of bob, of which only the directory knows that it is his. */
  readonly bobToo: string;
  /** Gives a user hours that are not all of a week, and lie around now. */
  limitHours?(user: string): Promise<void>;
  /** Logins that it answers at the same time as fast as one. */
  readonly atOnce: number;
  /** A password that the policy does not take. */
  readonly weakPassword: string;
  stop(): Promise<void>;
  goOn(): void;
  kill(): Promise<void>;
  start(): Promise<void>;
};

const HOUR_MS = 3_600_000;
/** A device's deadline. */
const DEADLINE_MS = 4_000;
/** Of one login: more chunks of data than that are not sent. */
const CHUNKS = 9;

/** A user of AD is locked after a few wrong passwords: each is asked for a few times. */
const TIMED_USERS = 3;
const TIMED_AT_ONCE = 4;
const TIMED_ROUNDS = 12;
/** Timers have whole milliseconds, and two answers of one moment go out one after the other. */
const ALLOWED_MS = 0.5;
const SEEN_MS = 2;

const said = (answer: DirectoryAnswer) => (answer.kind === 'denied' ? answer.code : answer.kind);

/** What holds of every directory, asked of a real one. */
export function directoryContract(name: string, openLab: () => Promise<DirectoryLab>): void {
  describe(`directories: ${name}`, () => {
    let lab: DirectoryLab;
    let directories: OpenDirectories;
    before(async () => {
      lab = await openLab();
      directories = openDirectories({ lab: lab.given });
    });
    after(async () => {
      directories.close();
      await lab[Symbol.asyncDispose]();
    });
    const login = (user: string, password = USER_PASSWORD) => directories.login(user, password);

    test('a user is the same by whatever name, and in all groups around the own one', async () => {
      const ids = new Set<string>();
      for (const typed of ['alice@lab.test', 'ALICE@Lab.Test', 'LAB\\alice', 'alice', ...lab.names]) {
        const answer = await login(typed);
        assert.ok(answer.kind === 'granted', `${typed}: ${said(answer)}`);
        ids.add(answer.account.userId);
        assert.equal(answer.account.name, 'alice@lab.test');
        const wanted = ['Night-Shift', 'hospital', 'staff', 'ward-3'];
        assert.deepEqual(
          answer.account.groups.filter(group => wanted.includes(group)),
          wanted,
        );
      }
      assert.equal(ids.size, 1);
    });

    test('a wrong password is counted once; who does not exist looks the same, and so does nonsense', async () => {
      const before = await lab.counted('bob');
      assert.equal(said(await login('bob@lab.test', 'wrong-password')), 'credentials_invalid');
      assert.equal(await lab.counted('bob'), before + 1);
      for (const typed of [
        'nobody@lab.test',
        'bob*@lab.test',
        '*@lab.test',
        'b)(uid=bob@lab.test',
        'bob,ou=people@lab.test',
        '@lab.test',
      ]) {
        assert.equal(said(await login(typed)), 'credentials_invalid', typed);
      }
      assert.equal(
        said(await login('bob@lab.test', '')),
        'credentials_invalid',
        'a bind without a password proves nothing',
      );
    });

    test('whose password was wrong is known by the directory’s own name, however it was typed', async () => {
      const before = await lab.counted('bob');
      const answer = await login(lab.bobToo, 'wrong-password');
      assert.deepEqual(answer, { kind: 'denied', code: 'credentials_invalid', name: 'bob@lab.test' });
      assert.equal(await lab.counted('bob'), before + 1);
      assert.equal(said(await login(lab.bobToo)), 'granted');
    });

    test('who exists is not told by the time of an answer, though two milliseconds would be seen', async () => {
      for (let user = 0; user < TIMED_USERS; user += 1)
        for (let at = 0; at < TIMED_AT_ONCE; at += 1) await lab.addUser(`timed-${user}-${at}`);
      using asServed = openDirectories({ lab: lab.given }, [], { answerStepMs: ANSWER_STEP_MS });
      const timeOf = async (user: string) => {
        const beganMs = performance.now();
        assert.equal(said(await asServed.login(`${user}@lab.test`, 'a-guess')), 'credentials_invalid');
        const ms = performance.now() - beganMs;
        assert.ok(ms >= ANSWER_STEP_MS - 1, `${user}: told after ${ms} ms, before the beat`);
        return ms;
      };
      /** By how much the known one took longer than the unknown one of the same moment: whatever the machine does meanwhile meets both. */
      const longer: number[] = [];
      for (let round = 0; round < TIMED_ROUNDS; round += 1) {
        const pairs = Array.from({ length: TIMED_AT_ONCE }, async (_, at) => {
          const names = [`timed-${round % TIMED_USERS}-${at}`, `untimed-${round}-${at}`] as const;
          const [first, second] = round % 2 === 0 ? names : names.toReversed();
          const [one, other] = await Promise.all([timeOf(first ?? ''), timeOf(second ?? '')]);
          return round % 2 === 0 ? one - other : other - one;
        });
        longer.push(...(await Promise.all(pairs)));
      }
      const none = longer.map(() => 0);
      const found = differsByMore(longer, none, ALLOWED_MS);
      assert.ok(!found.isSure, `who exists can be told by time: ${JSON.stringify(found)}`);
      const moved = differsByMore(
        longer.map(ms => ms + SEEN_MS),
        none,
        ALLOWED_MS,
      );
      assert.ok(moved.isSure, `${SEEN_MS} ms were not seen: ${JSON.stringify(moved)}`);
    });

    test('what is wrong with an account is told after the right password', async () => {
      for (const [state, { make, code, whoever }] of Object.entries(lab.states)) {
        const user = `state-${state}`;
        await lab.addUser(user);
        const before = await directories.status(`${user}@lab.test`);
        await make(user);
        const answer = await login(`${user}@lab.test`);
        assert.equal(said(answer), code, state);
        // Whose account it is, the device is to know by whatever name it asked.
        const told = answer.kind === 'denied' ? answer.userId : undefined;
        const isTold = code === 'account_disabled' && before.kind === 'ok';
        assert.equal(told, isTold ? before.account.userId : undefined, state);
        const wrong = said(await login(`${user}@lab.test`, 'wrong-password'));
        assert.equal(wrong, whoever ? code : 'credentials_invalid', `${state}, wrong password`);
      }
    });

    test('the hours of a user who may not log in at any time are read with the login', async () => {
      if (lab.limitHours === undefined) return;
      await lab.addUser('by-day');
      await lab.limitHours('by-day');
      for (const answer of [await login('by-day@lab.test'), await directories.status('by-day@lab.test')]) {
        assert.ok('account' in answer, JSON.stringify(answer));
        const { hours } = answer.account;
        assert.ok(hours !== undefined && isWithinWeekHours(hours, Date.now()));
        assert.ok(!isWithinWeekHours(hours, Date.now() + 12 * HOUR_MS));
      }
      const always = await login('alice@lab.test');
      assert.ok(always.kind === 'granted' && always.account.hours === undefined);
    });

    test('the service account sees who may still be in', async () => {
      const status = await directories.status('alice@lab.test');
      assert.ok(status.kind === 'ok' && status.account.groups.includes('ward-3'));
      const granted = await login('alice');
      assert.ok(granted.kind === 'granted');
      assert.equal(status.account.userId, granted.account.userId);
      assert.deepEqual(await directories.status('nobody@lab.test'), { kind: 'unknown' });
      assert.deepEqual(await directories.status('state-expired@lab.test'), {
        kind: 'refused',
        code: 'account_expired',
      });
    });

    test('without a service account users bind as themselves, and read what is their own', async () => {
      using own = openDirectories({ lab: lab.withoutServiceAccount });
      const answer = await own.login('alice@lab.test', USER_PASSWORD);
      assert.ok(answer.kind === 'granted', said(answer));
      assert.equal(answer.account.name, 'alice@lab.test');
      assert.equal(said(await own.login('alice@lab.test', 'wrong-password')), 'credentials_invalid');
      assert.deepEqual(await own.status('alice@lab.test'), { kind: 'not_told' });
    });

    test('StartTLS, and a server whose certificate is not of the CA is no server', async () => {
      using upgraded = openDirectories({ lab: lab.startTls });
      assert.equal(said(await upgraded.login('alice@lab.test', USER_PASSWORD)), 'granted');
      for (const { ca: _, ...untrusted } of [lab.given, lab.startTls]) {
        const lines: string[] = [];
        using wrong = openDirectories({ lab: untrusted }, lines);
        assert.equal(said(await wrong.login('alice@lab.test', USER_PASSWORD)), 'unavailable');
        assert.match(lines.join(), /certificate/);
        assert.ok(!lines.join().includes(USER_PASSWORD));
      }
      using named = openDirectories({ lab: { ...lab.given, tlsServerName: 'elsewhere.test' } });
      assert.equal(said(await named.login('alice@lab.test', USER_PASSWORD)), 'unavailable');
    });

    test('a new password is set by the old one', async () => {
      await lab.addUser('changer');
      const change = (old: string, next: string) => directories.changePassword('changer@lab.test', old, next);
      const denied = { kind: 'denied', code: 'credentials_invalid' } as const;
      const named = { ...denied, name: 'changer@lab.test' };
      assert.deepEqual(await change('wrong-password', 'Spring-2027!'), named);
      assert.deepEqual(await change('wrong-password', lab.weakPassword), named, 'the old one is looked at first');
      const ofNobody = await directories.changePassword('nobody@lab.test', 'wrong-password', lab.weakPassword);
      assert.deepEqual(ofNobody, denied);
      assert.equal((await change(USER_PASSWORD, lab.weakPassword)).kind, 'policy');
      assert.equal((await change(USER_PASSWORD, 'Spring-2027!')).kind, 'changed');
      assert.equal(said(await login('changer@lab.test', 'Spring-2027!')), 'granted');
    });

    for (const fault of ['cut', 'silence'] as const) {
      test(`one typed password is one bind, whenever the wire to a server that lives fails: ${fault}`, async () => {
        const port = Number(new URL(lab.url).port);
        const chunks = Array.from({ length: CHUNKS }, (_, at) => at + 1);
        for (const chunk of chunks) await lab.addUser(`${fault}-${chunk}`);
        const results = await inLanes(lab.atOnce, chunks, async chunk => {
          const user = `${fault}-${chunk}`;
          await using wire = await createFaultyWire(port, chunk, fault);
          using faulty = openDirectories({
            lab: { ...lab.given, urls: [`ldaps://127.0.0.1:${wire.port}`, lab.url] },
          });
          const beganMs = performance.now();
          const answer = said(await faulty.login(`${user}@lab.test`, 'wrong-password'));
          assert.ok(performance.now() - beganMs < DEADLINE_MS, `chunk ${chunk}: too late`);
          return { chunk, answer, hit: wire.hit() };
        });
        for (const { chunk, answer } of results) {
          const counted = await lab.counted(`${fault}-${chunk}`);
          // A server may drop what it has read of a connection that is cut, before it binds: then nothing is counted, and nothing told.
          const least = fault === 'cut' && answer === 'undecided' ? 0 : 1;
          assert.ok(counted >= least && counted <= 1, `chunk ${chunk}: ${answer}, counted ${counted}`);
          assert.ok(['credentials_invalid', 'undecided'].includes(answer), `chunk ${chunk}: ${answer}`);
        }
        assert.ok(
          results.some(({ answer }) => answer === 'undecided'),
          'the bind itself was hit',
        );
        assert.ok(
          results.some(({ hit, answer }) => hit && answer === 'credentials_invalid'),
          'what comes before was hit',
        );
      });
    }

    test('a server that hangs or is killed is no wrong password, and is used again when it answers', async () => {
      const tryNow = async () => {
        const beganMs = performance.now();
        const answer = said(await login('alice@lab.test'));
        assert.ok(performance.now() - beganMs < DEADLINE_MS);
        return answer;
      };
      assert.equal(await tryNow(), 'granted');
      await lab.stop();
      assert.equal(await tryNow(), 'unavailable');
      lab.goOn();
      await waitFor('a login', async () => ((await tryNow()) === 'granted' ? true : undefined));
      await lab.kill();
      assert.equal(await tryNow(), 'unavailable');
      await lab.start();
      await waitFor('a login', async () => ((await tryNow()) === 'granted' ? true : undefined));
    });
  });
}

export async function inLanes<T, R>(lanes: number, tasks: readonly T[], work: (task: T) => Promise<R>): Promise<R[]> {
  const left = [...tasks];
  const results: R[] = [];
  const lane = async () => {
    for (let task = left.shift(); task !== undefined; task = left.shift()) results.push(await work(task));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
