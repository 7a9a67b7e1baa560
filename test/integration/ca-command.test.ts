import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CaStatus, CaStepAnswer, parseJson } from '@thinman/protocol';
import { CommandError, EXIT } from '../../packages/server/src/cli/thinman/command-error.ts';
import { serverProgram } from '../../packages/server/src/cli/thinman-server/program.ts';
import { readRecoveryCode } from '../../packages/server/src/identity/recovery-code.ts';
import { type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const MAX_CHARS = 100_000;

let site: SiteInProcess;
before(async () => {
  site = await siteInProcess();
});
after(() => site.close());

/** Runs `thinman-server ca …` on the Primary; gives what it printed, or the error's code and line. */
async function ca(...args: readonly string[]): Promise<{ readonly text: string; readonly exitCode: number }> {
  let text = '';
  const program = serverProgram(printed => {
    text += printed;
  });
  try {
    await program.parseAsync(['node', 'thinman-server', 'ca', ...args, '--data', site.primary.dir]);
    return { text, exitCode: Number(process.exitCode ?? EXIT.done) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { text: error.message, exitCode: error.exitCode };
  } finally {
    process.exitCode = undefined;
  }
}

async function caJson(
  ...args: readonly string[]
): Promise<{ readonly answer: CaStepAnswer; readonly exitCode: number }> {
  const { text, exitCode } = await ca(...args, '--json');
  const parsed = parseJson(CaStepAnswer, text, MAX_CHARS);
  assert.ok(parsed.ok, text);
  return { answer: parsed.value, exitCode };
}

test('the CA is changed by three commands that say what comes next', async () => {
  const device = await site.enrol('tc-1');
  await device.start();
  await device.waitUntilOnline();
  await waitFor('its events', () => device.running().status().pendingEvents === 0 || undefined);
  await device.stop();

  assert.match((await ca('status')).text, /^phase +steady\nCA +\S{43} \(issuing, until \d{4}-\d\d-\d\d\)\n/);
  const early = await ca('switch');
  assert.deepEqual([early.exitCode, early.text.includes('thinman-server ca begin')], [EXIT.denied, true]);

  const begun = await ca('begin');
  const [, pin] = /^next CA pin +(\S{43})$/m.exec(begun.text) ?? [];
  const [, code = ''] = /^new recovery code +(\S+)$/m.exec(begun.text) ?? [];
  assert.ok(readRecoveryCode(code).ok);
  assert.doesNotMatch(begun.text, /void/);
  const again = await ca('begin');
  assert.equal(again.text.includes(`next CA pin         ${pin}`), true);
  assert.match(again.text, /^"begin" was run before: the recovery code that it printed then is void\./m);
  assert.match((await ca('status')).text, /^next +wait until .* hold the next CA, then thinman-server ca switch$/m);
  assert.match((await ca('status')).text, /^waits +Device tc-1: does not hold the next CA yet, last heard of on /m);

  const refused = await ca('switch');
  assert.equal(refused.exitCode, EXIT.denied);
  assert.match(refused.text, /^not yet: tc-1 \(does not hold the next CA yet\); .*--force/);
  assert.doesNotMatch(refused.text, /\n/);
  const { answer, exitCode } = await caJson('switch');
  assert.deepEqual([answer.outcome, answer.status.waitingFor.length, exitCode], ['waiting', 1, EXIT.denied]);

  await device.start();
  await waitFor('the device', async () => (await caJson('switch')).exitCode === EXIT.done || undefined);
  assert.match((await ca('switch')).text, /issues already/);
  await waitFor('the end', async () => (await ca('finish')).exitCode === EXIT.done || undefined);
  assert.match((await ca('finish')).text, /nothing to finish/);

  const status = parseJson(CaStatus, (await ca('status', '--json')).text, MAX_CHARS);
  assert.ok(status.ok);
  assert.deepEqual([status.value.phase, status.value.cas.map(one => one.pin)], ['steady', [pin]]);
});

test('a server that does not run, and a folder that is none, are told apart', async () => {
  await site.primary.stop();
  assert.equal((await ca('status')).exitCode, EXIT.unreachable);
  await site.primary.start();
  const program = serverProgram(() => {});
  await assert.rejects(
    program.parseAsync(['node', 'thinman-server', 'ca', 'begin', '--data', '/nonexistent']),
    error => error instanceof CommandError && error.exitCode === EXIT.misuse,
  );
});
