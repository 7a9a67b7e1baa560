/** How a check ended. `warn`: it works, and yet somebody should act. */
export const LEVELS = ['ok', 'warn', 'fail'] as const;
export type Level = (typeof LEVELS)[number];

/** One thing that the doctor has looked at. */
export type Check = {
  /** In one word or two, for scripts too: it stays. */
  readonly check: string;
  readonly level: Level;
  /** What was found. */
  readonly found: string;
  /** What to do about it; left out where there is nothing to do. */
  readonly do?: string;
  /** To be run on the database, each to its `;`. */
  readonly sql?: readonly string[];
};

export const ok = (check: string, found: string): Check => ({ check, level: 'ok', found });
export const warn = (check: string, found: string, advice: string): Check => ({
  ...{ check, level: 'warn', found },
  do: advice,
});
export const fail = (check: string, found: string, advice: string): Check => ({
  ...{ check, level: 'fail', found },
  do: advice,
});

export function worstOf(checks: readonly Check[]): Level {
  return LEVELS[Math.max(0, ...checks.map(({ level }) => LEVELS.indexOf(level)))] ?? 'ok';
}
