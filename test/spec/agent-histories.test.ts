import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../support/manual-clock.ts';
import { emptyDevice, type StoredDevice } from '../support/memory-cache.ts';
import { commit, type ModelUser, type SiteView, siteWith } from '../support/model-site.ts';
import { simulate } from '../support/simulated-agent.ts';

/**
 * Invariant 1 over all short histories of two servers, one device and one user, against a plain model of the right answer.
 * The Primary is always current, the Secondary is what was last synchronised. Each step runs the agent's real core and
 * runner, anew on the device's store.
 */
/** 5: 58,000 steps, 12 s of CPU. 6 was run once: 280,000 steps, all right. */
const DEPTH = Number(process.env.THINMAN_HISTORY_DEPTH ?? 5);
const USER = 'alice';
const PASSWORDS = ['first-password', 'other-password'] as const;
type Reach = 'both' | 'secondary' | 'nobody';
type Online = 'primary' | 'secondary';

const STEPS = [
  ...PASSWORDS.map(password => ({ kind: 'set password', password }) as const),
  { kind: 'disable' },
  { kind: 'enable' },
  { kind: 'delete' },
  { kind: 'withdraw offline' },
  { kind: 'unrelated write' },
  { kind: 'sync secondary' },
  { kind: 'hello', server: 'primary' },
  { kind: 'hello', server: 'secondary' },
  ...PASSWORDS.flatMap(password =>
    (['both', 'secondary', 'nobody'] as const).map(reach => ({ kind: 'login', password, reach }) as const),
  ),
] as const;
type Step = (typeof STEPS)[number];

/** What a careful person with pencil and paper would write down about the device. */
type Model = {
  /** The credential and the offline rule of the last online login, while it may be used. */
  readonly cached: { readonly user: ModelUser } | undefined;
  readonly blocked: boolean;
  /** Newest version of the User object that anybody told the device of. */
  readonly told: number;
};
type World = {
  readonly primary: SiteView;
  readonly secondary: SiteView;
  readonly device: StoredDevice;
  readonly model: Model;
  readonly history: readonly string[];
};
type Verdict = { readonly granted: boolean; readonly by: Online | 'device' };

const userOf = (view: SiteView): ModelUser => {
  const user = view.users[USER];
  assert.ok(user !== undefined);
  return user;
};

/** What a server with this view says of a login, and what the device is to make of it. */
function serverSays(
  view: SiteView,
  password: string,
  model: Model,
): { readonly granted: boolean; readonly model: Model } {
  const user = userOf(view);
  const right = !user.deleted && user.password === password;
  const told = user.generation;
  if (right && !user.disabled) return { granted: true, model: { cached: { user }, blocked: false, told } };
  if (right) return { granted: false, model: { cached: undefined, blocked: true, told } };
  const { cached } = model;
  const isSame = cached !== undefined && !user.deleted && cached.user.credentialVersion === user.credentialVersion;
  return { granted: false, model: { cached, blocked: model.blocked || !isSame, told } };
}

/** The right answer: the first server in reach whose word is not older than what was told, else the device itself. */
function rightAnswer(
  world: World,
  password: string,
  reach: Reach,
): { readonly verdict: Verdict; readonly model: Model } {
  const asked: readonly Online[] = reach === 'both' ? ['primary', 'secondary'] : reach === 'secondary' ? [reach] : [];
  for (const server of asked) {
    const view = world[server];
    if (userOf(view).generation < world.model.told) continue;
    const { granted, model } = serverSays(view, password, world.model);
    return { verdict: { granted, by: server }, model };
  }
  const { cached, blocked } = world.model;
  const granted = cached !== undefined && !blocked && cached.user.offlineAllowed && cached.user.password === password;
  return { verdict: { granted, by: 'device' }, model: world.model };
}

/** A word about the user counts if it is not older than what was told; only cached users are spoken of. */
function afterHello(view: SiteView, model: Model, isCached: boolean): Model {
  const user = userOf(view);
  const { cached } = model;
  if (!isCached || cached === undefined || user.generation < model.told) return model;
  const isSame = user.credentialVersion === cached.user.credentialVersion;
  const blocked = user.deleted || user.disabled || !isSame || !user.offlineAllowed;
  return { cached: user.deleted ? undefined : cached, blocked, told: user.generation };
}

async function take(world: World, step: Step): Promise<World | undefined> {
  const history = [...world.history, JSON.stringify(step)];
  const write = (change: Partial<ModelUser>) => ({ ...world, history, primary: commit(world.primary, USER, change) });
  const user = userOf(world.primary);
  switch (step.kind) {
    case 'set password':
      return user.deleted ? undefined : write({ password: step.password });
    case 'disable':
      return user.disabled || user.deleted ? undefined : write({ disabled: true });
    case 'enable':
      return user.disabled && !user.deleted ? write({ disabled: false }) : undefined;
    case 'delete':
      return user.deleted ? undefined : write({ deleted: true });
    case 'withdraw offline':
      return user.offlineAllowed && !user.deleted ? write({ offlineAllowed: false }) : undefined;
    case 'unrelated write':
      return { ...world, history, primary: commit(world.primary) };
    case 'sync secondary':
      return world.secondary === world.primary ? undefined : { ...world, history, secondary: world.primary };
    case 'hello':
      return hello({ ...world, history }, step.server);
    case 'login':
      return login({ ...world, history }, step.password, step.reach);
  }
}

function deviceIn(world: World) {
  const device: StoredDevice = { ...structuredClone(world.device), logins: { ...world.device.logins }, outbox: [] };
  const simulation = simulate({ clock: manualClock(), servers: ['primary', 'secondary'], view: world.primary, device });
  for (const name of ['primary', 'secondary'] as const) {
    Object.assign(simulation.server(name), { view: world[name], delayMs: 0, condition: 'dead', refusesChannels: true });
  }
  return simulation;
}

async function hello(world: World, from: Online): Promise<World> {
  const { device, runner, server, defects } = deviceIn(world);
  const isCached = world.device.logins[USER] !== undefined;
  Object.assign(server(from), { condition: 'up', refusesChannels: false });
  runner.start();
  for (let turns = 0; turns < 20 && runner.status().server === null; turns += 1) await new Promise(setImmediate);
  assert.equal(runner.status().server?.name, from);
  runner.stop();
  assert.deepEqual(defects, []);
  return { ...world, device, model: afterHello(world[from], world.model, isCached) };
}

async function login(world: World, password: string, reach: Reach): Promise<World> {
  const { device, runner, server, defects } = deviceIn(world);
  if (reach !== 'nobody') server('secondary').condition = 'up';
  if (reach === 'both') server('primary').condition = 'up';
  runner.start();
  const result = await runner.login(USER, password);
  runner.stop();
  assert.deepEqual(defects, []);
  const right = rightAnswer(world, password, reach);
  const actual: Verdict = { granted: result.verdict === 'granted', by: (result.server as Online | null) ?? 'device' };
  assert.deepEqual(actual, right.verdict, `after\n  ${world.history.join('\n  ')}\n${result.reason}`);
  // Wrong passwords are another rule, with cases of its own: here the device forgets them.
  device.failures = {};
  return { ...world, device, model: right.model };
}

/** Two worlds with the same key behave alike from here on. */
function keyOf({ primary, secondary, device, model }: World): string {
  const logins = Object.values(device.logins).map(({ sealed: _, ...login }) => login);
  return JSON.stringify([primary, secondary, logins, device.tombstones, device.accepted, model]);
}

async function explore(first: readonly Step[]): Promise<number> {
  const site = siteWith(USER, PASSWORDS[0]);
  let world: World = {
    primary: site,
    secondary: site,
    device: emptyDevice(),
    model: { cached: undefined, blocked: false, told: 0 },
    history: [],
  };
  for (const step of first) world = (await take(world, step)) ?? world;
  let front = [world];
  let taken = 0;
  const seen = new Set<string>();
  for (let depth = 0; depth < DEPTH; depth += 1) {
    const next: World[] = [];
    for (const from of front) {
      for (const step of STEPS) {
        const to = await take(from, step);
        if (to === undefined) continue;
        taken += 1;
        const key = keyOf(to);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push(to);
      }
    }
    front = next;
  }
  return taken;
}

test('every short history of a device that has never seen the user ends in the right answer', async t => {
  t.diagnostic(`${await explore([])} steps`);
});

test('every short history after a login ends in the right answer', async t => {
  const before = [{ kind: 'login', password: PASSWORDS[0], reach: 'both' }] as const;
  t.diagnostic(`${await explore(before)} steps`);
});
