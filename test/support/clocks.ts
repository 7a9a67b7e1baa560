import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from '../../packages/agent/src/adapters/cache.ts';
import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import { openIdentityStore } from '../../packages/agent/src/adapters/identity-store.ts';
import type { ClockMark } from '../../packages/agent/src/ports.ts';
import type { Agent } from './agent-commands.ts';
import type { Environment } from './processes.ts';

/** Puts another time before a process (https://github.com/wolfcw/libfaketime); undefined: it is not installed here. */
const [LIBRARY] = globSync('/usr/{lib,lib64,local/lib}/{*/,}faketime/libfaketime.so.1');

/** For `skip` of a test. */
export const NO_WRONG_CLOCKS = LIBRARY === undefined ? '!!! NOT RUN: libfaketime is not installed' : false;

/** The wall clock of some processes alone: their monotonic clock goes as it should. */
export type WrongClock = {
  readonly environment: Environment;
  /** As libfaketime takes it: `-30d` from the true time, or `@1970-01-01 00:00:00` at the start of the process. */
  set(to: string): void;
};

export const RIGHT = '+0';

/** A clock that is right until it is set. `file`: where it is written down. */
export function wrongClock(file: string): WrongClock {
  const set = (to: string) => writeFileSync(file, to);
  set(RIGHT);
  return {
    environment: {
      LD_PRELOAD: LIBRARY ?? '',
      // Named one way in older versions, the other way in newer ones.
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_TIMESTAMP_FILE: file,
      // Every call sees what was set last.
      FAKETIME_NO_CACHE: '1',
      TZ: 'UTC',
    },
    set,
  };
}

/** Writes into the store of an agent that does not run how late it has ever known it to be. */
export function setClockMark(agent: Agent, mark: ClockMark): void {
  const identity = openIdentityStore(join(agent.data, 'identity')).load();
  if (identity === undefined) throw new Error(`${agent.name} is not enrolled`);
  const cache = openCache(join(agent.data, 'cache.db'), { ...identity, clock: systemClock });
  cache.setClockMark(mark);
  cache.close();
}
