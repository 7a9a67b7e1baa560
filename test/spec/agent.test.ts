import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type CaseOffline, type CaseUser, createMachine, type Machine, type Step } from './agent-machine.ts';

/** A case: what was the situation, what happened, what the agent did. `rule` is the sentence of `failover.md` it is about. */
type Case = {
  readonly rule: string;
  readonly servers?: readonly string[];
  readonly given?: 'new' | 'connected' | 'connected to the second' | 'offline';
  readonly policy?: Parameters<typeof createMachine>[0]['policy'];
  readonly users?: Readonly<Record<string, CaseUser>>;
  readonly offline?: CaseOffline;
  readonly directories?: readonly string[];
  readonly accepted?: number;
  readonly draw?: number;
  readonly deadlines?: boolean;
  readonly loginIds?: boolean;
  readonly steps: readonly (Step & {
    /** All effects of the step and of the time before it, in order, but for the quiet ones. */
    readonly then?: readonly string[];
    /** No effect begins with one of these. */
    readonly not?: readonly string[];
    readonly is?: Readonly<Record<string, unknown>>;
  })[];
};

const FOLDER = `${import.meta.dirname}/agent`;
/** Keeping what was learnt has cases of its own; elsewhere it would only be in the way. */
const QUIET = ['pull ', 'deliver ', 'keep ', 'drop ', 'commit granted'];
/** So with what every word of a server leaves behind: each is told where a step names it. */
const QUIETEST = ['trust time', 'accepted at'];

function begin(machine: Machine, servers: readonly string[], given: NonNullable<Case['given']>): void {
  const [first = '', second = ''] = servers;
  if (given === 'new') return;
  const says = (server: string) =>
    given === 'offline' || (given !== 'connected' && server === first) ? 'refused' : 'serving';
  machine.play({ at: 0, do: 'start' });
  for (const server of servers) machine.play({ at: 0, do: `probe ${server} ${says(server)}` });
  if (given === 'connected') machine.play({ at: 0, do: `hello ${first} serving` });
  if (given === 'connected to the second') machine.play({ at: 0, do: `hello ${second} serving` });
}

for (const file of readdirSync(FOLDER).filter(name => name.endsWith('.json'))) {
  const { what, cases } = JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')) as { what: string; cases: Case[] };
  describe(what, () => {
    for (const { rule, steps, given = 'connected', servers = ['primary', 'secondary'], ...world } of cases) {
      test(rule, () => {
        const machine = createMachine({ servers, ...(world as Partial<Parameters<typeof createMachine>[0]>) });
        begin(machine, servers, given);
        for (const { then, not = [], is, ...step } of steps) {
          const all = machine.play(step);
          const untold = QUIETEST.filter(quiet => !then?.some(effect => effect.startsWith(quiet)));
          const effects = all.filter(effect => !untold.some(quiet => effect.startsWith(quiet)));
          const loud = effects.filter(effect => !QUIET.some(quiet => effect.startsWith(quiet)));
          const seen = then?.some(effect => QUIET.some(quiet => effect.startsWith(quiet))) ? effects : loud;
          if (then !== undefined) assert.deepEqual(seen, then, `at ${step.at}: ${step.do}`);
          for (const unwanted of not) {
            assert.ok(!all.some(effect => effect.startsWith(unwanted)), `at ${step.at}: ${step.do}: ${all}`);
          }
          for (const [fact, value] of Object.entries(is ?? {})) {
            assert.deepEqual((machine.facts() as Record<string, unknown>)[fact], value, `at ${step.at}: ${fact}`);
          }
        }
      });
    }
  });
}
