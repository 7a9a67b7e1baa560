import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { type DatabaseLab, databaseLab, makeAccounts, PRIMARY_ACCOUNT } from '../support/database-lab.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { startMariadb } from '../support/databases/mariadb.ts';
import { freePort } from '../support/loopback.ts';
import type { Environment, Finished } from '../support/processes.ts';
import { createScratch, type Scratch } from '../support/scratch.ts';

describe('thinman-server on an external database', () => {
  let server: DatabaseServer;
  let lab: DatabaseLab;
  let scratch: Scratch;
  let finished: Finished[];

  before(async () => {
    server = await startMariadb({ folder: mkdtempSync(join(tmpdir(), 'thinman-mariadb-')) });
    await makeAccounts(server);
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    lab = await databaseLab(server);
    scratch = createScratch('thinman-commands-');
    finished = [];
  });
  afterEach(async () => {
    for (const { stdout, stderr } of finished) {
      assert.ok(!`${stdout}${stderr}`.includes(PRIMARY_ACCOUNT.password), 'a command showed the password');
    }
    await scratch[Symbol.asyncDispose]();
    await server.rootQuery('SET GLOBAL sync_binlog = 1');
    await lab.remove();
  });

  const data = (name: string) => join(scratch.folder, name);
  const run = async (command: 'thinman' | 'thinman-server', args: readonly string[], environment?: Environment) => {
    const end = await scratch.processes.run(command, args, environment === undefined ? {} : { environment });
    finished.push(end);
    return end;
  };
  const newServer = async (name: string) => {
    const port = await freePort();
    return [
      '--data',
      data(name),
      '--name',
      name,
      '--listen',
      `127.0.0.1:${port}`,
      '--url',
      `https://127.0.0.1:${port}`,
    ];
  };
  /** URL without its password, which comes from the environment. */
  const bare = (url: string) => {
    const without = new URL(url);
    without.password = '';
    return without.href;
  };
  const ENVIRONMENT = { THINMAN_DATABASE_PASSWORD: PRIMARY_ACCOUNT.password };

  it('makes a site, and writes no password down that came from the environment', async () => {
    const made = await run(
      'thinman-server',
      ['init', ...(await newServer('primary')), '--database', bare(lab.url())],
      ENVIRONMENT,
    );
    assert.deepEqual([made.code, made.stderr], [0, '']);
    assert.ok(!readFileSync(join(data('primary'), 'server.json'), 'utf8').includes(PRIMARY_ACCOUNT.password));
    const again = await run(
      'thinman-server',
      ['init', ...(await newServer('other')), '--database', bare(lab.url())],
      ENVIRONMENT,
    );
    assert.equal(again.code, 2);
    assert.match(again.stderr, /holds a site already/);
    assert.ok(!existsSync(data('other')));
  });

  it('warns of a password among its arguments', async () => {
    const made = await run('thinman-server', ['init', ...(await newServer('primary')), '--database', lab.url()]);
    assert.equal(made.code, 0);
    assert.match(made.stderr, /^thinman-server: warning: the password in --database .*THINMAN_DATABASE_PASSWORD.*\n$/);
  });

  it('refuses a database that may lose what it acknowledges, with the SQL to run, at init and at start', async () => {
    await server.rootQuery('SET GLOBAL sync_binlog = 0');
    const init = ['init', ...(await newServer('primary')), '--database', bare(lab.url())];
    const refused = await run('thinman-server', init, ENVIRONMENT);
    const SAID =
      /^thinman-server: database lab_\w+ at .*\(sync_binlog = 0\).*--accept-weak-durability\. Run there:\n {2}SET GLOBAL sync_binlog = 1;\n$/;
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, SAID);

    await server.rootQuery('SET GLOBAL sync_binlog = 1');
    assert.equal((await run('thinman-server', init, ENVIRONMENT)).code, 0);
    await server.rootQuery('SET GLOBAL sync_binlog = 0');
    const environment = { ...ENVIRONMENT, THINMAN_LOG_LEVEL: 'fatal' };
    const stopped = await run('thinman-server', ['start', '--data', data('primary')], environment);
    assert.equal(stopped.code, 2);
    assert.match(stopped.stderr, SAID);

    const start = ['start', '--data', data('primary'), '--accept-weak-durability'];
    const running = scratch.processes.start('primary', 'thinman-server', start, { environment });
    await running.waitForLine(/^READY .* role=primary state=serving$/);
    await running.stop();
  });

  it('that was made on a database of weak durability, because somebody accepted it, starts on it', async () => {
    await server.rootQuery('SET GLOBAL sync_binlog = 0');
    const init = ['init', ...(await newServer('primary')), '--database', bare(lab.url()), '--accept-weak-durability'];
    const made = await run('thinman-server', init, ENVIRONMENT);
    assert.equal(made.code, 0);
    assert.match(made.stderr, /^thinman-server: warning: .*sync_binlog = 0/);
    const running = scratch.processes.start('primary', 'thinman-server', ['start', '--data', data('primary')], {
      environment: ENVIRONMENT,
    });
    await running.waitForLine(/^READY .* role=primary state=serving$/);
    await running.stop();
  });

  const startPrimary = async () => {
    const primary = scratch.processes.start('primary', 'thinman-server', ['start', '--data', data('primary')], {
      environment: ENVIRONMENT,
    });
    await primary.waitForLine(/^READY /);
    return primary;
  };
  const tokenFor = async (secondary: readonly string[]) => {
    const [name = '', url = ''] = [secondary[3], secondary.at(-1)];
    const made = await run('thinman', ['token', 'server', '--name', name, '--url', url, '--data', data('primary')]);
    return made.stdout.trim();
  };

  it('joins on the same database, with an account that reads', async () => {
    await run('thinman-server', ['init', ...(await newServer('primary')), '--database', bare(lab.url())], ENVIRONMENT);
    await startPrimary();
    const secondary = await newServer('secondary');
    const join = ['join', await tokenFor(secondary), ...secondary, '--database', lab.url(true)];
    const joined = await run('thinman-server', join);
    assert.equal(joined.code, 0, joined.stderr);
    assert.doesNotMatch(joined.stderr, /GRANT/);
    const running = scratch.processes.start('secondary', 'thinman-server', ['start', '--data', data('secondary')]);
    await running.waitForLine(/^READY .* role=secondary state=serving$/);
  });

  it('is no Secondary of a site on an embedded database; the token stays good', async () => {
    await run('thinman-server', ['init', ...(await newServer('primary'))]);
    await startPrimary();
    const secondary = await newServer('secondary');
    const join = ['join', await tokenFor(secondary), ...secondary, '--database'];
    const refused = await run('thinman-server', [...join, lab.url(true)]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /the Primary is on an embedded database/);
    const trial = await run('thinman-server', [...join, `sqlite:${data('primary')}/site.db`, '--single-host']);
    assert.equal(trial.code, 0, trial.stderr);
  });
});
