import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_OFFLINE_RULES, LoginResult, parseJson } from '@thinman/protocol';
import { openCache } from '../../packages/agent/src/adapters/cache.ts';
import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import { type LocalDevice, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';

const PASSWORD = 'the-right-password';
/** A moment within the derivation of the key, which takes 130 ms on the reference machine. */
const INTO_THE_HASH_MS = 40;
const MAX_LINE_CHARS = 64 * 1024;

let site: SiteInProcess;
let device: LocalDevice;

/** How long the bodies of logins were that came in. */
const lengths: number[] = [];
function noteLogin(message: unknown): void {
  const { request } = message as { request: IncomingMessage };
  if (request.url === '/v1/login') lengths.push(Number(request.headers['content-length']));
}

before(async () => {
  site = await siteInProcess();
  await site.apply({ kind: 'User', name: 'alice', body: { password: PASSWORD } });
  device = await site.enrol('tc-1');
  const agent = await device.start();
  await device.waitUntilOnline();
  assert.equal((await agent.login('alice', PASSWORD)).mode, 'online');
  subscribe('http.server.request.start', noteLogin);
  for (const password of ['a-wrong-password', PASSWORD]) await agent.login('alice', password);
  unsubscribe('http.server.request.start', noteLogin);
  await device.stop();
  await site.primary.stop();
});
after(() => site.close());

/** An agent in a process of its own, with every server dead, that logs in once and says what came of it. */
const GUESSER = `
  import { createAgent } from ${JSON.stringify(new URL('../../packages/agent/src/agent.ts', import.meta.url).href)};
  const [dataDir, password] = process.argv.slice(1);
  const agent = createAgent({ dataDir, localSockets: false });
  await agent.start();
  await agent.ready();
  console.log('begins');
  console.log(JSON.stringify(await agent.login('alice', password)));
  setInterval(() => {}, 1000);`;

function guess(password: string): { child: ChildProcess; lines: string[]; until(count: number): Promise<void> } {
  const args = ['--conditions=source', '--input-type=module', '-e', GUESSER, device.dir, password];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  let text = '';
  child.stdout.setEncoding('utf8').on('data', chunk => {
    text += chunk;
    const parts = text.split('\n');
    text = parts.pop() ?? '';
    lines.push(...parts);
  });
  return {
    child,
    lines,
    async until(count) {
      while (lines.length < count) await once(child.stdout, 'data');
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function answerTo(password: string): Promise<LoginResult> {
  const { child, lines, until } = guess(password);
  await until(2);
  await kill(child);
  const parsed = parseJson(LoginResult, lines[1] ?? '', MAX_LINE_CHARS);
  assert.ok(parsed.ok, `${lines[1]}`);
  return parsed.value;
}

function failures(): number {
  const cache = openCache(join(device.dir, 'cache.db'), { ...device.identity(), clock: systemClock });
  const { count } = cache.offlineFailures('alice');
  cache.close();
  return count;
}

test('who sees the packets of a login does not learn from their size whether the password opens what is cached', () => {
  const [wrong, right] = lengths;
  assert.ok(lengths.length === 2 && lengths.every(length => length > 100), lengths.join());
  assert.equal(wrong, right);
});

describe('guessing at a device that is cut off, with kill -9 against its counter', () => {
  test('killed inside the hash, it has told nothing', async () => {
    const { child, lines, until } = guess('a-guess');
    await until(1);
    await delay(INTO_THE_HASH_MS);
    await kill(child);
    // What was answered all the same, on a fast machine, must have been counted.
    assert.ok(failures() >= lines.length - 1);
  });

  test('killed at once when it has told, it has counted', async () => {
    for (let before = failures(); before < DEFAULT_OFFLINE_RULES.maxFailures; before = failures()) {
      const { verdict, reason, mode } = await answerTo(`guess-${before}`);
      assert.deepEqual([verdict, reason, mode], ['denied', 'credentials_invalid', 'offline']);
      assert.equal(failures(), before + 1);
    }
  });

  test('so that after five not even the right password opens it before the wait is over', async () => {
    const { verdict, reason, retryAfterMs = 0 } = await answerTo(PASSWORD);
    assert.deepEqual([verdict, reason], ['denied', 'offline_attempts_exhausted']);
    assert.ok(retryAfterMs > 0);
  });
});
