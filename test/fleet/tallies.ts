import type { LoginResult } from '@thinman/protocol';

/** What a fleet has lived through. Milliseconds as the agents measured them. */
export type Tallies = {
  readonly logins: { granted: number; denied: number; offline: number; failed: number };
  /** Of what was denied. */
  readonly reasons: Map<string, number>;
  readonly elapsedMs: number[];
  readonly happened: Map<string, number>;
  login(result: LoginResult | undefined): void;
  event(type: string): void;
};

export function createTallies(): Tallies {
  const logins = { granted: 0, denied: 0, offline: 0, failed: 0 };
  const reasons = new Map<string, number>();
  const elapsedMs: number[] = [];
  const happened = new Map<string, number>();
  return {
    logins,
    reasons,
    elapsedMs,
    happened,
    login(result) {
      if (result === undefined) logins.failed += 1;
      else if (result.verdict === 'denied') logins.denied += 1;
      else if (result.mode === 'offline') logins.offline += 1;
      else logins.granted += 1;
      if (result?.verdict === 'denied') reasons.set(result.reason ?? '', (reasons.get(result.reason ?? '') ?? 0) + 1);
      if (result !== undefined) elapsedMs.push(result.elapsedMs);
    },
    event: type => void happened.set(type, (happened.get(type) ?? 0) + 1),
  };
}

/** The value below which this part (0 to 1) of the numbers lies; 0 where there are none. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(part * sorted.length), sorted.length - 1)] ?? 0;
}
