import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DirectoryAnswer } from '../../../packages/server/src/directory/directories.ts';
import { waitFor } from '../wait.ts';
import { inLanes } from './directory-contract.ts';
import { createFaultyWire, type WireFault } from './faulty-wire.ts';
import { USER_PASSWORD } from './hospital.ts';
import { type Given, type OpenDirectories, openDirectories } from './open-directories.ts';

/** One server of a pair. */
export type PairServer = {
  readonly url: string;
  /** Wrong passwords of this user that this server has counted. */
  counted(user: string): Promise<number>;
  stop(): Promise<void>;
  goOn(): void;
  kill(): Promise<void>;
  start(): Promise<void>;
};

/** Two real servers with the same users, each of which counts by itself. */
export type DirectoryPair = AsyncDisposable & {
  readonly first: PairServer;
  readonly second: PairServer;
  /** All but the URLs. */
  readonly given: Omit<Given, 'urls'>;
  /** Logins that they answer at the same time as fast as one. */
  readonly atOnce: number;
};

/** A device's deadline. */
const DEADLINE_MS = 4_000;
/** Of one login: more chunks of data than that are not sent. */
const CHUNKS = Array.from({ length: 9 }, (_, at) => at + 1);
/** The first server lives under all of them. */
const FAULTS: readonly Exclude<WireFault, 'none'>[] = ['cut', 'silence', 'slow'];
/** The breaker's 5 s and its probe's, on a busy machine. */
const BACK_WITHIN_MS = 30_000;

/** Above the deadlines of a connection and of a sign of life. */
const BUSY_MS = 1_200;
/** One turn of this process takes as long as that, as on a machine that gives it none. */
const holdUp = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const said = (answer: DirectoryAnswer) => (answer.kind === 'denied' ? answer.code : answer.kind);

/** What holds of the ordered servers of every directory, asked of two real ones. `openPair`: with these users. */
export function failoverContract(name: string, openPair: (users: readonly string[]) => Promise<DirectoryPair>): void {
  describe(`the two servers of a directory: ${name}`, () => {
    let pair: DirectoryPair;
    const open = (...urls: string[]) => openDirectories({ lab: { ...pair.given, urls } });
    const both = () => open(pair.first.url, pair.second.url);
    const states = (directories: OpenDirectories) =>
      directories.standings().flatMap(({ servers }) => servers.map(({ breaker }) => breaker));
    before(async () => {
      pair = await openPair(['alice', ...FAULTS.flatMap(fault => CHUNKS.map(chunk => `${fault}-${chunk}`))]);
    });
    after(() => pair[Symbol.asyncDispose]());

    async function login(
      directories: OpenDirectories,
      user = 'alice',
      password = USER_PASSWORD,
    ): Promise<DirectoryAnswer> {
      const beganMs = performance.now();
      const answer = await directories.login(`${user}@lab.test`, password);
      assert.ok(performance.now() - beganMs < DEADLINE_MS, `${user}: ${said(answer)} too late`);
      return answer;
    }
    const countsOf = async (user: string) => [await pair.first.counted(user), await pair.second.counted(user)] as const;

    /** Who binds where: by a wrong password, which is counted there. */
    async function expectAskedAt(directories: OpenDirectories, which: 'first' | 'second'): Promise<void> {
      const [first, second] = await countsOf('alice');
      assert.equal(said(await login(directories, 'alice', 'wrong-password')), 'credentials_invalid');
      const expected = which === 'first' ? [first + 1, second] : [first, second + 1];
      assert.deepEqual(await countsOf('alice'), expected, `the ${which} is asked, and no other`);
      // Both forget what they counted, so that nobody is locked.
      assert.equal(said(await login(directories)), 'granted');
    }

    const FAILURES: Readonly<Record<string, { fail(): Promise<void> | void; heal(): Promise<void> | void }>> = {
      killed: { fail: () => pair.first.kill(), heal: () => pair.first.start() },
      hung: { fail: () => pair.first.stop(), heal: () => pair.first.goOn() },
    };
    for (const [what, { fail, heal }] of Object.entries(FAILURES)) {
      test(`the first is ${what}: the next one answers, nobody waits for the first again until it is back`, async () => {
        using directories = both();
        const before = await login(directories);
        assert.ok(before.kind === 'granted');
        assert.deepEqual(states(directories), ['closed', 'closed']);
        await fail();
        try {
          const during = await login(directories);
          assert.ok(during.kind === 'granted', said(during));
          assert.equal(during.account.userId, before.account.userId, 'whichever server answers');
          assert.deepEqual(during.account.groups, before.account.groups);
          assert.deepEqual(states(directories), ['open', 'closed']);
          assert.equal(said(await login(directories)), 'granted');
          // A server that starts now finds out by itself.
          using fresh = both();
          assert.equal(said(await login(fresh)), 'granted');
        } finally {
          await heal();
        }
        await waitFor(
          'the probe to find it',
          () => (states(directories).every(state => state === 'closed') ? true : undefined),
          BACK_WITHIN_MS,
        );
        await expectAskedAt(directories, 'first');
      });
    }

    test('whoever was busy itself hears what the first has said meanwhile: nobody is taken for silent, and nobody else is asked', async () => {
      using directories = both();
      for (const what of ['while it connects', 'while it sees whether a connection still lives']) {
        const [first, second] = await countsOf('alice');
        const answer = directories.login('alice@lab.test', 'wrong-password');
        await nextTurn();
        holdUp(BUSY_MS);
        assert.equal(said(await answer), 'credentials_invalid', what);
        assert.deepEqual(await countsOf('alice'), [first + 1, second], what);
        assert.deepEqual(states(directories), ['closed', 'closed'], what);
      }
      assert.equal(said(await login(directories)), 'granted');
    });

    test('both hang: no answer at all, and never a wrong password', async () => {
      using directories = both();
      for (const server of [pair.first, pair.second]) await server.stop();
      try {
        assert.equal(said(await login(directories, 'alice', 'wrong-password')), 'unavailable');
      } finally {
        for (const server of [pair.first, pair.second]) server.goOn();
      }
    });

    test('the first hangs at any moment of a login, also with the password in its hands: the next one answers', async () => {
      const port = Number(new URL(pair.first.url).port);
      let hits = 0;
      for (const chunk of CHUNKS) {
        let stopped = Promise.resolve();
        await using wire = await createFaultyWire(port, chunk, 'none', () => {
          stopped = pair.first.stop();
        });
        using directories = open(`ldaps://127.0.0.1:${wire.port}`, pair.second.url);
        try {
          assert.equal(said(await login(directories)), 'granted', `chunk ${chunk}`);
          if (wire.hit()) hits += 1;
        } finally {
          await stopped;
          pair.first.goOn();
        }
      }
      assert.ok(hits > 2, `${hits} moments were hit`);
    });

    for (const fault of FAULTS) {
      test(`one typed password is one bind on one of them, whenever the wire to the first fails: ${fault}`, async () => {
        const port = Number(new URL(pair.first.url).port);
        const answers = await inLanes(pair.atOnce, CHUNKS, async chunk => {
          const user = `${fault}-${chunk}`;
          await using wire = await createFaultyWire(port, chunk, fault);
          using directories = open(`ldaps://127.0.0.1:${wire.port}`, pair.second.url);
          const answer = said(await login(directories, user, 'wrong-password'));
          return { user, answer, hit: wire.hit() };
        });
        for (const { user, answer } of answers) {
          const [first, second] = await countsOf(user);
          // A server may drop what it has read of a connection that is cut, before it binds: then nothing is counted, and nothing told.
          const least = fault === 'cut' && answer === 'undecided' ? 0 : 1;
          const counted = first + second;
          assert.ok(counted >= least && counted <= 1, `${user}: ${answer}, counted ${first} and ${second}`);
          assert.ok(['credentials_invalid', 'undecided'].includes(answer), `${user}: ${answer}`);
          if (fault === 'slow') assert.equal(answer, 'credentials_invalid', `${user}: late is not never`);
        }
        assert.ok(answers.filter(({ hit }) => hit).length > 2, 'a login was hit at several moments');
        if (fault !== 'slow')
          assert.ok(
            answers.some(({ answer }) => answer === 'undecided'),
            'the bind itself was hit',
          );
      });
    }
  });
}
