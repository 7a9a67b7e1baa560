// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these strings are source text to look at
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkFiles } from './check-imports.ts';

/** Which rules these files break, as `path:line rule`. */
function broken(files: Record<string, string>): string[] {
  const list = Object.entries(files).map(([path, text]) => ({ path, text }));
  return checkFiles(list).map(({ path, line, rule }) => `${path}:${line} ${rule}`);
}

const CORE = 'packages/agent/src/core/transition.ts';
const PORTS = 'packages/agent/src/ports.ts';

describe('packages', () => {
  test('protocol imports neither the project nor node', () => {
    const path = 'packages/protocol/src/login.ts';
    assert.deepEqual(broken({ [path]: "import { Type } from 'typebox';\nimport './codec.ts';\n" }), []);
    assert.deepEqual(broken({ [path]: "\nimport { readFileSync } from 'node:fs';\n" }), [`${path}:2 protocol-alone`]);
    assert.deepEqual(broken({ [path]: "import type { A } from '../../agent/src/agent.ts';" }), [
      `${path}:1 package-border`,
    ]);
    assert.deepEqual(broken({ [path]: "export * from '@thinman/agent';" }), [
      `${path}:1 protocol-alone`,
      `${path}:1 package-border`,
    ]);
  });

  test('agent and server import protocol, never each other, not even in a test', () => {
    const path = 'packages/agent/src/runtime/runner.test.ts';
    assert.deepEqual(broken({ [path]: "import { parse } from '@thinman/protocol';" }), []);
    assert.deepEqual(broken({ [path]: "import { fakeClock } from '../../../../test/support/fake-clock.ts';" }), []);
    assert.deepEqual(broken({ [path]: "import { createServer } from '@thinman/server';" }), [
      `${path}:1 package-border`,
    ]);
    assert.deepEqual(broken({ [path]: "const s = await import('../../../server/src/server.ts');" }), [
      `${path}:1 package-border`,
    ]);
    assert.deepEqual(
      broken({ 'test/integration/login.test.ts': "import { createServer } from '@thinman/server';" }),
      [],
    );
  });

  test('the agent carries no server library', () => {
    const path = 'packages/agent/src/local/socket.ts';
    assert.deepEqual(broken({ [path]: "import { pino } from 'pino';" }), [`${path}:1 light-agent`]);
    assert.deepEqual(broken({ [path]: "import tls from '@fastify/helmet';" }), [`${path}:1 light-agent`]);
    assert.deepEqual(broken({ 'packages/server/src/http/app.ts': "import { pino } from 'pino';" }), []);
  });
});

describe('core', () => {
  test('imports core, protocol and the types of ports.ts', () => {
    const good =
      "import type { Clock } from '../ports.ts';\nimport { E } from '@thinman/protocol';\nimport { b } from './b.ts';";
    assert.deepEqual(broken({ [CORE]: good }), []);
    for (const bad of [
      "import { a } from '../ports.ts';",
      "import type { Cache } from '../adapters/cache.ts';",
      "import { run } from '../runtime/runner.ts';",
      "import { createHash } from 'node:crypto';",
      "import { Type } from 'typebox';",
    ]) {
      assert.ok(broken({ [CORE]: bad }).includes(`${CORE}:1 core-imports`), bad);
    }
  });

  test('reads no clock, draws nothing, waits for nothing', () => {
    for (const bad of [
      'const now = Date.now();',
      'const now = new Date();',
      'const now = new Date;',
      'const draw = Math.random();',
      'const id = crypto.randomUUID();',
      'setTimeout(retry, 5);',
      'const t = performance.now();',
      'const home = process.env;',
      'export async function f() {}',
      'export const f = (): Promise<void> => g();',
      'const text = `at ${Date.now()}`;',
    ]) {
      assert.deepEqual(broken({ [CORE]: bad }), [`${CORE}:1 core-is-pure`], bad);
    }
    assert.deepEqual(broken({ [CORE]: 'const at = new Date(event.atMs); // not Date.now()' }), []);
    assert.deepEqual(broken({ 'packages/agent/src/core/a.test.ts': "import 'node:test';\nDate.now();" }), []);
    assert.deepEqual(broken({ 'packages/agent/src/runtime/runner.ts': 'Date.now();' }), []);
  });
});

describe('construction and SQL', () => {
  test('ports.ts holds types only', () => {
    const good =
      "import type { A } from './config.ts';\n\n/** Tells the time. */\nexport interface Clock {\n  nowMs(): number;\n}\n";
    assert.deepEqual(broken({ [PORTS]: good }), []);
    assert.deepEqual(broken({ [PORTS]: `${good}export const limit = 3;\n` }), [`${PORTS}:7 ports-are-types`]);
    assert.deepEqual(broken({ [PORTS]: 'export class Clock {}\n' }), [`${PORTS}:1 ports-are-types`]);
    const room = 'packages/server/src/ports/journal.ts';
    assert.deepEqual(broken({ [room]: `${good}export const limit = 3;\n` }), [`${room}:7 ports-are-types`]);
  });

  test('only agent.ts, the command line and tests reach adapters by value', () => {
    const value = "import { openCache } from '../adapters/cache.ts';";
    assert.deepEqual(broken({ 'packages/agent/src/apply/apply.ts': value }), [
      'packages/agent/src/apply/apply.ts:1 one-builder',
    ]);
    assert.deepEqual(broken({ 'packages/agent/src/apply/apply.ts': value.replace('import', 'import type') }), []);
    assert.deepEqual(broken({ 'packages/agent/src/apply/apply.test.ts': value }), []);
    assert.deepEqual(broken({ 'packages/agent/src/cli/login.ts': value }), []);
    assert.deepEqual(broken({ 'packages/agent/src/agent.ts': value.replace('..', '.') }), []);
  });

  test('SQL stays in record, replica, journal and the cache and outbox of the agent', () => {
    const sql = "import Database from 'better-sqlite3';\ndb.prepare('SELECT 1').get();";
    for (const home of ['server/src/record/open.ts', 'server/src/replica/open.ts', 'agent/src/adapters/cache.ts']) {
      assert.deepEqual(broken({ [`packages/${home}`]: sql }), []);
    }
    const path = 'packages/server/src/admin-plane/objects.ts';
    assert.deepEqual(broken({ [path]: sql }), [`${path}:1 sql-at-home`, `${path}:2 sql-at-home`]);
    assert.deepEqual(broken({ [path]: "import type { Kysely } from 'kysely';" }), [`${path}:1 sql-at-home`]);
    assert.deepEqual(broken({ [path]: "import mysql from 'mysql2/promise';" }), [`${path}:1 sql-at-home`]);
  });
});

describe('everywhere', () => {
  test('imports make no cycle', () => {
    const a = "import { b } from './b.ts';";
    assert.deepEqual(broken({ 'scripts/a.ts': a, 'scripts/b.ts': '' }), []);
    assert.deepEqual(
      broken({
        'scripts/a.ts': a,
        'scripts/b.ts': "\nimport type { C } from './c.js';",
        'scripts/c.ts': "import './a.ts';",
      }),
      ['scripts/a.ts:1 no-cycle'],
    );
    assert.deepEqual(broken({ 'scripts/a.ts': "export * from './a.ts';" }), ['scripts/a.ts:1 no-cycle']);
  });

  test('no enum, no I before an interface, names in kebab-case', () => {
    assert.deepEqual(broken({ 'scripts/a.ts': '\nconst enum Color { Red }' }), ['scripts/a.ts:2 no-enum']);
    assert.deepEqual(broken({ 'scripts/a.ts': 'const schema = { enum: [1] }; // no enum here' }), []);
    assert.deepEqual(broken({ 'scripts/a.ts': 'interface IServer {}\ninterface Item {}\ninterface IPAddress {}' }), [
      'scripts/a.ts:1 no-i-prefix',
    ]);
    assert.deepEqual(broken({ 'packages/agent/src/serverList.ts': '' }), [
      'packages/agent/src/serverList.ts:1 kebab-case',
    ]);
    assert.deepEqual(broken({ 'test/fake_things/a.ts': '' }), ['test/fake_things/a.ts:1 kebab-case']);
    assert.deepEqual(broken({ 'README.md': '', '.ci/run': '', 'docs/decisions/0001-one-line.md': '' }), []);
  });

  test('nothing of one machine is committed', () => {
    assert.deepEqual(broken({ 'docs/a.md': `ok\nsee ${['', 'work', 'main'].join('/')}` }), [
      'docs/a.md:2 no-machine-path',
    ]);
    assert.deepEqual(broken({ 'docs/a.md': `cd ${['', 'root', ''].join('/')}` }), ['docs/a.md:1 no-machine-path']);
    assert.deepEqual(broken({ 'docs/a.md': 'packages/work/a, ./work/b, $DIR/root/c' }), []);
    assert.deepEqual(broken({ '.npmrc': `registry=https://${['registry', 'npmjs', 'org'].join('.')}/` }), [
      '.npmrc:1 no-registry-host',
    ]);
  });

  test('the lock names no address, and an entry for everything that is asked for', () => {
    const lock = (entry: object) => ({
      'package-lock.json': JSON.stringify({ packages: { 'node_modules/a': entry } }, null, 1),
    });
    assert.deepEqual(broken(lock({ resolved: 'https://npm.example.org/a.tgz' })), [
      'package-lock.json:4 no-registry-host',
    ]);
    assert.deepEqual(broken(lock({ resolved: 'packages/agent', dependencies: { a: '1' } })), []);
    assert.deepEqual(broken(lock({ optionalDependencies: { '@a/win32': '1' } })), [
      'package-lock.json:5 lock-complete',
    ]);
  });
});
