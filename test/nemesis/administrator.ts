import { setTimeout as delay } from 'node:timers/promises';
import type { Server } from '../support/server-commands.ts';
import { user as userYaml } from '../support/ward.ts';
import type { Dice } from './dice.ts';
import type { History, UserState } from './history.ts';

const PAUSE_MS = { least: 100, most: 1_000 };
const CHANCES = { user: 0.5, stray: 0.15 };
/** Long enough for a database that is away to say so, and for its server to come back. */
const RETRY_MS = 500;

/** Writes on the Primary: groups, which must all be there afterwards, and users, who change. */
export function createAdministrator(
  { primary, secondary }: { readonly primary: Server; readonly secondary: Server },
  history: History,
  dice: Dice,
) {
  const states = new Map<string, UserState>();
  let made = 0;

  const apply = (server: Server, yaml: string) => server.thinman(['apply', '-f', '-'], yaml);

  async function makeGroup(): Promise<void> {
    const name = `group-${++made}`;
    const startMs = Date.now();
    const { code, stdout } = await apply(primary, `{ kind: DeviceGroup, name: ${name}, body: {} }`);
    const generation = code === 0 ? committedIn(stdout) : undefined;
    if (code === 0) history.groups.add(name);
    history.writes.push({ what: `apply ${name}`, generation, startMs, endMs: Date.now() });
  }

  /** What a Secondary must refuse. */
  async function stray(): Promise<void> {
    const name = `stray-${++made}`;
    history.strays.add(name);
    const startMs = Date.now();
    const { code } = await apply(secondary, `{ kind: DeviceGroup, name: ${name}, body: {} }`);
    const generation = code === 0 ? 0 : undefined;
    history.writes.push({ what: `apply ${name} on the Secondary`, generation, startMs, endMs: Date.now() });
  }

  /** Until it is acknowledged: so that what each generation of the user means is known. */
  async function setUser(name: string, state: UserState, signal: AbortSignal): Promise<void> {
    const startMs = Date.now();
    // It may hold from now on, whatever the first answer is.
    states.set(name, state);
    const said = `user ${name}: ${state.disabled ? 'disabled' : 'enabled'}, ${state.password}`;
    while (!signal.aborted) {
      const { code, stdout } = await apply(primary, userYaml({ name, password: state.password }, state.disabled));
      const generation = code === 0 ? await generationOf(name, committedIn(stdout)) : undefined;
      if (generation !== undefined) {
        const write = { what: said, generation, startMs, endMs: Date.now() };
        history.writes.push(write);
        history.userWrites.push({ ...write, user: name, state });
        return;
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
    history.writes.push({ what: said, generation: undefined, startMs, endMs: Date.now() });
  }

  /** undefined: it is not known now, as of a Primary whose disk takes nothing: it has committed what its replica lacks. */
  async function generationOf(name: string, committed: number): Promise<number | undefined> {
    const { generation = -1 } = (await primary.status().catch(() => undefined)) ?? {};
    if (generation < committed) return undefined;
    const { code, stdout } = await primary.thinman(['get', 'User', name, '-o', 'json']);
    if (code !== 0) return undefined;
    return (JSON.parse(stdout) as { generation: number }[])[0]?.generation;
  }

  return {
    /** The state that was asked for last. */
    stateOf: (name: string) => states.get(name),
    setUser,
    async work(users: readonly string[], signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        if (dice.chance(CHANCES.stray)) await stray();
        else if (dice.chance(CHANCES.user)) {
          const name = dice.pick(users);
          const before = states.get(name);
          const password = before === undefined || dice.chance(0.5) ? `password-of-${name}-${++made}` : before.password;
          const disabled = before?.disabled === true ? false : dice.chance(0.5);
          await setUser(name, { password, disabled }, signal);
        } else await makeGroup();
        // Not a wait for something: administrators do something else in between.
        await delay(dice.between(PAUSE_MS.least, PAUSE_MS.most), undefined, { signal }).catch(() => {});
      }
    },
  };
}

/** What `apply` says of the site. */
const committedIn = (stdout: string) => Number(/^generation \d+\.(\d+)/m.exec(stdout)?.[1]);
