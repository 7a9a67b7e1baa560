import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../support/agent-commands.ts';
import { deviceRows } from '../support/device-rows.ts';
import type { Dice } from './dice.ts';
import type { History } from './history.ts';

/** Somebody whose password and account nobody touches: gets in whatever fails. */
export type Steady = { readonly name: string; readonly password: string };

/** Whoever an administrator works on. The password that a person knows is one that was true once. */
export type Changing = { readonly name: string; readonly passwords: () => readonly string[] };

/** Of one device in an hour 30 are taken, and then nobody gets in there: whoever may be refused stays away before. */
const MOST_REFUSED_A_DEVICE = 20;
const HOUR_MS = 3_600_000;
export const WRONG = 'a-password-of-nobody';

/**
 * How people go about: mostly the same ones, at times somebody else, rarely with a wrong password. While a device decides by itself,
 * those come on whom administrators work: what it has heard of them must hold.
 */
const CHANCES = { changing: 0.3, changingOffline: 0.7, wrong: 0.05, logout: 0.1 };
const PAUSE_MS = { least: 50, most: 600 };

/** Logs people in on one device, one after the other, until `signal`. */
export async function usePeople(
  agent: Agent,
  { steady, changing }: { readonly steady: readonly Steady[]; readonly changing: readonly Changing[] },
  history: History,
  dice: Dice,
  signal: AbortSignal,
): Promise<void> {
  let isOffline = false;
  while (!signal.aborted) {
    const { user, password } = next();
    const wasEntombed = changing.some(({ name }) => name === user) && hasTombstone(agent, user);
    const startMs = Date.now();
    const { answer, code } = await agent.login(user, password);
    const endMs = Date.now();
    const entombed = wasEntombed && hasTombstone(agent, user);
    history.logins.push({ device: agent.name, user, password, answer, code, startMs, endMs, entombed });
    if (dice.chance(CHANCES.logout)) await agent.logout();
    // What the device holds is remembered, and must not go back; an agent that was killed says nothing.
    const status = await agent.status().catch(() => undefined);
    isOffline = status?.mode === 'offline';
    // Not a wait for something: a person does something else in between.
    await delay(dice.between(PAUSE_MS.least, PAUSE_MS.most), undefined, { signal }).catch(() => {});
  }

  function next(): { readonly user: string; readonly password: string } {
    // Of all rounds, as servers count.
    const sinceMs = Date.now() - HOUR_MS;
    const refused = history.logins.filter(
      ({ device, answer, endMs }) =>
        device === agent.name && answer?.verdict !== 'granted' && answer?.mode !== 'offline' && endMs > sinceMs,
    );
    const mayBeRefused = refused.length < MOST_REFUSED_A_DEVICE;
    if (mayBeRefused && dice.chance(CHANCES.wrong)) return { user: 'mallory', password: WRONG };
    if (mayBeRefused && dice.chance(isOffline ? CHANCES.changingOffline : CHANCES.changing)) {
      const who = dice.pick(changing);
      return { user: who.name, password: dice.pick(who.passwords().slice(-2)) };
    }
    const { name, password } = dice.pick(steady);
    return { user: name, password };
  }
}

/** Of the account that is cached. One that was refused where nobody was cached is remembered by name, and blocks nobody after. */
function hasTombstone(agent: Agent, user: string): boolean {
  try {
    const rows = deviceRows(agent);
    const cached = rows.find(({ kind, key }) => kind === 'login' && key === user);
    return rows.some(({ kind, key }) => kind === 'tombstone' && key === cached?.ref);
  } catch {
    return false; // the agent was writing while its file was copied
  }
}
