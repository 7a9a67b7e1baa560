import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatementServer } from '@thinman/protocol';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { statementOf } from '../../../../test/support/simulated-agent.ts';
import type { Answer } from '../ports.ts';
import { createAttempts } from './attempts.ts';

const servers = new Map<string, StatementServer>(statementOf(['primary']).servers.map(each => [each.name, each]));

function make() {
  const clock = manualClock();
  const answers: Answer<string>[] = [];
  const defects: unknown[] = [];
  const attempts = createAttempts(
    clock,
    name => servers.get(name),
    error => defects.push(error),
  );
  return { clock, attempts, answers, defects, hear: (answer: Answer<string>) => void answers.push(answer) };
}

const reasonOf = ([first]: readonly Answer<string>[]) => (first?.kind === 'failed' ? first.reason : undefined);

const ok: Answer<string> = { kind: 'ok', value: 'here', elapsedMs: 1 };
/** A server that takes the request and says nothing, until it is told to stop. */
const silence = (signals: AbortSignal[]) => (_server: StatementServer, signal: AbortSignal) => {
  signals.push(signal);
  return new Promise<Answer<string>>(() => {});
};

test('an answer is handed on', async () => {
  const { attempts, answers, clock, hear } = make();
  attempts.run(1, 'primary', 500, async () => ok, hear);
  await clock.advance(0);
  assert.deepEqual(answers, [ok]);
});

test('silence until the deadline is a timeout, and the request is given up', async () => {
  const { attempts, answers, clock, hear } = make();
  const signals: AbortSignal[] = [];
  attempts.run(1, 'primary', 500, silence(signals), hear);
  await clock.advance(499);
  assert.equal(answers.length, 0);
  await clock.advance(1);
  assert.equal(reasonOf(answers), 'timeout');
  assert.equal(signals[0]?.aborted, true);
});

test('a cancelled attempt is given up, and nobody hears of it', async () => {
  const { attempts, answers, clock, hear } = make();
  const signals: AbortSignal[] = [];
  attempts.run(1, 'primary', 500, silence(signals), hear);
  attempts.cancel(1);
  await clock.advance(1_000);
  assert.deepEqual(answers, []);
  assert.equal(signals[0]?.aborted, true);
  assert.equal(clock.waiting(), 0);
});

test('a server that the statement does not name is not asked', async () => {
  const { attempts, answers, clock, hear } = make();
  attempts.run(1, 'elsewhere', 500, async () => ok, hear);
  await clock.advance(0);
  assert.equal(reasonOf(answers), 'not_in_statement');
});

test('a call that throws is a defect: told as one, and nobody waits for it', async () => {
  const { attempts, answers, clock, defects, hear } = make();
  attempts.run(1, 'primary', 500, async () => Promise.reject(new Error('broken')), hear);
  await clock.advance(0);
  assert.deepEqual(defects, [new Error('broken')]);
  assert.equal(reasonOf(answers), 'aborted');
});
