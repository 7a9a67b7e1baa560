// Random faults while people log in and administrators write, and what must hold all the same. @see docs/testing.md
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_AGENT_TIMINGS } from '@thinman/protocol';
import type { DatabaseKind } from '../support/databases/database-server.ts';
import { canMountDisk } from '../support/disk.ts';
import { expectHealed } from '../support/redundant-faults.ts';
import { withDisks } from '../support/redundant-full-disk.ts';
import { surroundFull, surroundHalf } from '../support/redundant-site.ts';
import type { Site } from '../support/site.ts';
import { onSiteIn, type Surroundings } from '../support/system-test.ts';
import { user } from '../support/ward.ts';
import { createAdministrator } from './administrator.ts';
import { checkAll } from './check.ts';
import { type Crowd, createCrowd } from './crowd.ts';
import { createDice, type Dice } from './dice.ts';
import { type Fault, faultsOf, type Grounds } from './faults.ts';
import { createHistory, excerpt, Finding, type History } from './history.ts';
import { type Changing, type Steady, usePeople } from './people.ts';

export type NemesisOptions = {
  readonly minutes: number;
  readonly seed: number;
  /** undefined: the embedded one. */
  readonly database?: DatabaseKind | undefined;
  /** With a `database`: one for both servers, or one each, by replication. */
  readonly redundancy?: 'half' | 'full';
  /** Light devices beside the three real ones (`test/fleet`). Default: DEFAULT_CROWD. */
  readonly devices?: number | undefined;
  /** Disks of servers fill up as well, where this may mount some. Default: yes. */
  readonly fullDisks?: boolean;
  /** With the product's own waits, in place of short ones. */
  readonly fullLength?: boolean;
  readonly say?: (line: string) => void;
};

export type Seen = {
  readonly faults: number;
  readonly logins: number;
  readonly events: number;
  readonly writes: number;
};

const DEVICES = ['tc-1', 'tc-2', 'tc-3'];
/** Enough that they come in crowds when a server fails, and as much work for this machine as one of the real ones. */
export const DEFAULT_CROWD = 20;
const STEADY: readonly Steady[] = [
  { name: 'bob', password: 'bobs-first-password' },
  { name: 'carol', password: 'carols-only-password' },
];
const CHANGING = ['alice', 'dave'];
/** Two things that fail at the same time are common; three are a fire. */
const MOST_AT_ONCE = 2;
const MS_PER_MINUTE = 60_000;

/** How long things take: at short waits, and at the product's own. */
const PACE = {
  short: { faultMs: [300, 6_000], restMs: [0, 2_500], roundMs: 30_000, healedMs: 60_000 },
  full: { faultMs: [1_000, 40_000], restMs: [0, 20_000], roundMs: 240_000, healedMs: 400_000 },
} as const satisfies Readonly<Record<string, Pace>>;
type Range = readonly [least: number, most: number];
type Pace = { readonly faultMs: Range; readonly restMs: Range; readonly roundMs: number; readonly healedMs: number };

/** Throws a Finding whose message has the seed, and the shortest history that shows it. */
export async function runNemesis(options: NemesisOptions): Promise<Seen> {
  const { seed, fullLength = false } = options;
  const history = createHistory();
  const timings = fullLength ? { timings: DEFAULT_AGENT_TIMINGS } : {};
  let seen: Seen | undefined;
  try {
    await onSiteIn(groundsFor(options), { agents: DEVICES, wires: true, ...timings }, async (site, grounds) => {
      seen = await attack(site, grounds, history, options);
    });
  } catch (error) {
    if (!(error instanceof Finding))
      throw new Error(`seed ${seed}: it could not go on\n${excerpt(history, []).join('\n')}`, { cause: error });
    throw new Finding(`seed ${seed}: ${error.message}\n${excerpt(history, error.about).join('\n')}`);
  }
  if (seen === undefined) throw new Error('nothing was seen');
  return seen;
}

/** The servers' folders are on disks of their own, where this may mount some. */
function groundsFor(options: NemesisOptions): (folder: string) => Promise<Surroundings & Grounds> {
  const surround = databasesFor(options);
  return options.fullDisks !== false && canMountDisk() ? folder => withDisks(folder, surround) : surround;
}

function databasesFor({
  database,
  redundancy = 'full',
}: NemesisOptions): (folder: string) => Promise<Surroundings & Grounds> {
  if (database === undefined) return async () => ({ [Symbol.asyncDispose]: async () => {} });
  return folder => (redundancy === 'half' ? surroundHalf(folder, database) : surroundFull(folder, database));
}

async function attack(site: Site, grounds: Grounds, history: History, options: NemesisOptions): Promise<Seen> {
  const dice = createDice(options.seed);
  const administrator = createAdministrator(site, history, dice.fork());
  const passwords = new Map<string, string[]>(CHANGING.map(name => [name, []]));
  const changing: readonly Changing[] = CHANGING.map(name => ({
    name,
    passwords: () => passwordsOf(history, name, passwords),
  }));
  await prepare(site, administrator, history);
  const faults = faultsOf(site, grounds, dice.fork());
  const crowd = await createCrowd(site, options.devices ?? DEFAULT_CROWD, STEADY, history, dice.fork());
  try {
    return await goOn(site, { faults, crowd, administrator, changing }, history, dice, options);
  } finally {
    await crowd.stop();
  }
}

type Cast = {
  readonly faults: readonly Fault[];
  readonly crowd: Crowd;
  readonly administrator: ReturnType<typeof createAdministrator>;
  readonly changing: readonly Changing[];
};

async function goOn(
  site: Site,
  { faults, crowd, administrator, changing }: Cast,
  history: History,
  dice: Dice,
  { minutes, fullLength, say = () => {} }: NemesisOptions,
): Promise<Seen> {
  const pace = fullLength ? PACE.full : PACE.short;
  const endMs = performance.now() + minutes * MS_PER_MINUTE;
  let events = 0;
  do {
    const over = new AbortController();
    const actors = [
      ...site.agents.map(agent => usePeople(agent, { steady: STEADY, changing }, history, dice.fork(), over.signal)),
      administrator.work(CHANGING, over.signal),
      crowd.live(over.signal),
    ];
    await throwFaults(faults, history, dice, pace, Math.min(endMs, performance.now() + pace.roundMs));
    over.abort();
    await Promise.all(actors);
    await settle(site, crowd, administrator, history, pace);
    ({ events } = await checkAll(
      site,
      history,
      STEADY.map(({ name }) => name),
    ));
    history.heldMs = Date.now();
    say(
      `${history.faults.length} faults, ${history.logins.length} logins, ${events} events, ${history.writes.length} writes so far`,
    );
  } while (performance.now() < endMs);
  return { faults: history.faults.length, logins: history.logins.length, events, writes: history.writes.length };
}

/** What a person may have heard: the password that was asked for last, and the one before. */
function passwordsOf(history: History, name: string, known: Map<string, string[]>): readonly string[] {
  const list = known.get(name) ?? [];
  for (const { user: whose, state } of history.userWrites) {
    if (whose === name && list.at(-1) !== state.password) list.push(state.password);
  }
  return list;
}

/** Everybody has logged in everywhere once: from now on nobody needs a server to get in. */
async function prepare(
  site: Site,
  administrator: ReturnType<typeof createAdministrator>,
  history: History,
): Promise<void> {
  for (const person of STEADY) await site.apply(user(person));
  const never = new AbortController().signal;
  for (const name of CHANGING)
    await administrator.setUser(name, { password: `password-of-${name}`, disabled: false }, never);
  for (const agent of site.agents) {
    for (const { name, password } of STEADY) {
      const startMs = Date.now();
      const { answer, code } = await agent.login(name, password);
      history.logins.push({ device: agent.name, user: name, password, answer, code, startMs, endMs: Date.now() });
    }
  }
}

async function throwFaults(
  faults: readonly Fault[],
  history: History,
  dice: Dice,
  pace: Pace,
  untilMs: number,
): Promise<void> {
  const befallen = new Set<string>();
  const one = async () => {
    while (performance.now() < untilMs) {
      const free = faults.filter(({ victims }) => victims.every(victim => !befallen.has(victim)));
      if (free.length === 0) {
        await delay(dice.between(...pace.restMs));
        continue;
      }
      const fault = dice.pick(free);
      for (const victim of fault.victims) befallen.add(victim);
      const startMs = Date.now();
      await fault.begin();
      // Not a wait for something: this is how long it fails.
      await delay(dice.between(...pace.faultMs));
      await fault.end();
      for (const victim of fault.victims) befallen.delete(victim);
      history.faults.push({ what: fault.name, startMs, endMs: Date.now() });
      await delay(dice.between(...pace.restMs));
    }
  };
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, one));
}

/** All is back. What an administrator had asked for is asked for again, until it is acknowledged. */
async function settle(
  site: Site,
  crowd: Crowd,
  administrator: ReturnType<typeof createAdministrator>,
  history: History,
  { healedMs }: Pace,
): Promise<void> {
  try {
    await expectHealed(site, healedMs);
    const never = new AbortController().signal;
    for (const name of CHANGING) {
      const state = administrator.stateOf(name);
      const last = history.userWrites.findLast(write => write.user === name)?.state;
      if (state !== undefined && last !== state) await administrator.setUser(name, state, never);
    }
    await crowd.settled(healedMs);
    await site.settle();
    await expectHealed(site, healedMs);
  } catch (error) {
    throw new Finding(`it did not heal: ${error instanceof Error ? error.message : error}`);
  }
}
