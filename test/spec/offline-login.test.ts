import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { DEFAULT_OFFLINE_RULES, type OfflineRules, WEEK_HOURS_BYTES, weekHours } from '@thinman/protocol';
import {
  type ClockStep,
  clockAtBoot,
  clockFromServer,
  raisedMark,
  trustedNow,
} from '../../packages/agent/src/core/clock-rule.ts';
import { decideOffline, type OfflineFacts } from '../../packages/agent/src/core/offline-login.ts';
import type { ClockMark, Tombstone } from '../../packages/agent/src/ports.ts';

type DecisionCase = {
  readonly rule: string;
  readonly now: number | null;
  readonly allowed?: boolean;
  readonly uncached?: boolean;
  readonly cacheDamaged?: boolean;
  readonly finalAnswerSeen?: boolean;
  readonly tombstone?: Tombstone['reason'];
  readonly emergency?: boolean;
  /** Every day, in UTC; the last online login was at midnight. */
  readonly hours?: readonly [from: string, to: string];
  /** Of the week that began with the last online login, a Sunday, in UTC: from and to. */
  readonly directoryHours?: readonly [from: number, to: number];
  readonly failures?: number;
  readonly failedAt?: number;
  readonly decision: string;
  readonly retryAfterMs?: number;
};
type ClockCase = {
  readonly rule: string;
  readonly mark?: ClockMark;
  /** Each boot: the clock at start, perhaps a server's time, what passed, and what is trusted then (null: nothing). */
  readonly boots: readonly {
    readonly wall: number;
    readonly server?: number;
    readonly after?: number;
    readonly wallLater?: number;
    readonly used?: boolean;
    readonly trusted: number | null;
  }[];
};

const spec = JSON.parse(readFileSync(`${import.meta.dirname}/offline-login.json`, 'utf8')) as {
  decisions: DecisionCase[];
  clocks: ClockCase[];
};
const LAST_ONLINE_MS = Date.UTC(2026, 10, 22);

describe('Offline login: the decision', () => {
  for (const { rule, now, decision, retryAfterMs, finalAnswerSeen = false, ...given } of spec.decisions) {
    test(rule, () => {
      const { tombstone, allowed = true, failures: count = 0, failedAt = 0 } = given;
      const facts: OfflineFacts = {
        cached:
          given.uncached === true
            ? undefined
            : {
                rules: {
                  ...DEFAULT_OFFLINE_RULES,
                  allowed,
                  ...hoursOf(given.hours),
                  ...weekOf(given.directoryHours),
                },
                lastOnlineMs: LAST_ONLINE_MS,
              },
        cacheDamaged: given.cacheDamaged ?? false,
        tombstone:
          tombstone === undefined
            ? undefined
            : { userId: 'u', user: 'alice', reason: tombstone, subject: { epoch: 1, generation: 2 } },
        failures: { count, lastMs: LAST_ONLINE_MS + failedAt },
        trustedNowMs: now === null ? undefined : LAST_ONLINE_MS + now,
        ...(given.emergency === true && { emergency: { nowMs: LAST_ONLINE_MS + (now ?? 0) } }),
      };
      const expected =
        decision === 'may_open' ? { kind: 'may_open' } : { kind: 'denied', code: decision, retryAfterMs };
      assert.deepEqual(decideOffline(facts, finalAnswerSeen), expected);
    });
  }
});

function hoursOf(span: DecisionCase['hours']): Pick<OfflineRules, 'hours'> {
  if (span === undefined) return {};
  const [from, to] = span;
  const days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
  return { hours: { timeZone: 'UTC', times: [{ days: [...days], from, to }] } };
}

function weekOf(span: DecisionCase['directoryHours']): Pick<OfflineRules, 'directoryHours'> {
  if (span === undefined) return {};
  const bytes = new Uint8Array(WEEK_HOURS_BYTES);
  for (let hour = span[0]; hour < span[1]; hour += 1) bytes[hour >> 3] = (bytes[hour >> 3] ?? 0) | (1 << (hour & 7));
  const directoryHours = weekHours(bytes);
  return directoryHours === undefined ? {} : { directoryHours };
}

describe('Offline login: the clock rule', () => {
  for (const { rule, mark: first, boots } of spec.clocks) {
    test(rule, () => {
      let mark = first;
      for (const { wall, server, after = 0, wallLater = wall + after, used, trusted } of boots) {
        let step: ClockStep = clockAtBoot(mark, wall, 0);
        if (server !== undefined) step = clockFromServer(server, 0);
        const now = trustedNow(step, wallLater, after);
        assert.equal(now ?? null, trusted);
        mark = used === true && now !== undefined ? raisedMark(step.mark, now) : step.mark;
      }
    });
  }
});
