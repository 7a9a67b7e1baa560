// What tests rely on in a database server and a pair of them: a suite over the kinds. `KIND.test.ts` names one.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ConnectionOptions, createConnection } from 'mysql2/promise';
import { createAccount, createAccounts } from './accounts.ts';
import type { DatabaseKind, DatabaseServer } from './database-server.ts';
import { type DatabasePair, replicate, startDatabaseOf, startPair } from './replication.ts';
import { createDatabaseTls } from './tls.ts';

const ACCOUNTS = {
  database: 'site',
  primary: { user: 'primary', password: "p'1@/" },
  secondary: { user: 'secondary', password: 's2' },
} as const;

/** As somebody without rights over the server. */
async function query(
  server: DatabaseServer,
  { user, password }: typeof ACCOUNTS.primary | typeof ACCOUNTS.secondary,
  sql: string,
  more: ConnectionOptions = {},
) {
  const connection = await createConnection({ uri: server.url(user, password, ACCOUNTS.database), ...more });
  try {
    const [rows] = await connection.query(sql);
    return rows;
  } finally {
    connection.destroy();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function databaseLabSuite(kind: DatabaseKind): void {
  describe(`a server of ${kind}`, () => {
    let folder = '';
    let server: DatabaseServer;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'thinman-lab-'));
      server = await startDatabaseOf(kind, { folder: join(folder, 'one') });
      await createAccounts(server, ACCOUNTS);
      await server.rootQuery('CREATE TABLE site.kept (number INT PRIMARY KEY)');
    });
    after(async () => {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    it('loses nothing when it is killed, and comes back on its port', async () => {
      const { pid, port } = server;
      await query(server, ACCOUNTS.primary, 'INSERT INTO kept VALUES (1)');
      await server.kill();
      assert.equal(server.isRunning(), false);
      await assert.rejects(query(server, ACCOUNTS.primary, 'SELECT 1'), { code: 'ECONNREFUSED' });
      await server.restart();
      assert.notEqual(server.pid, pid);
      assert.equal(server.port, port);
      assert.deepEqual(await query(server, ACCOUNTS.secondary, 'SELECT number FROM kept'), [{ number: 1 }]);
    });

    it('answers nobody while it is frozen, and everybody afterwards', async () => {
      await server.freeze();
      const waiting = server.rootQuery('SELECT 1 AS one');
      await assert.rejects(query(server, ACCOUNTS.primary, 'SELECT 1', { connectTimeout: 300 }), { code: 'ETIMEDOUT' });
      server.thaw();
      assert.deepEqual(await waiting, [{ one: 1 }]);
    });

    it('is durable as it is', async () => {
      const [variables] = await server.rootQuery(
        'SELECT @@log_bin AS log, @@sync_binlog AS sync, @@innodb_flush_log_at_trx_commit AS flush, @@binlog_format AS format',
      );
      assert.deepEqual(variables, { log: 1, sync: 1, flush: 1, format: 'ROW' });
    });

    it('lets a Secondary read alone', async () => {
      const write = query(server, ACCOUNTS.secondary, 'INSERT INTO kept VALUES (2)');
      await assert.rejects(write, { code: 'ER_TABLEACCESS_DENIED_ERROR' });
    });

    it('asks for a certificate where an account requires one', async () => {
      const tls = await createDatabaseTls(join(folder, 'tls'));
      await using secured = await startDatabaseOf(kind, { folder: join(folder, 'secured'), tls });
      assert.equal(secured.caFile, tls.caFile);
      await secured.rootQuery('CREATE DATABASE site');
      await createAccount(secured, ACCOUNTS.primary, 'SELECT ON site.*', 'X509');
      const ca = readFileSync(tls.caFile);
      const cert = readFileSync(tls.clientCertificateFile);
      const key = readFileSync(tls.clientKeyFile);
      const asks = (ssl: ConnectionOptions['ssl']) =>
        query(secured, ACCOUNTS.primary, 'SELECT 1 AS one', { ssl: ssl ?? {} });
      assert.deepEqual(await asks({ ca, cert, key }), [{ one: 1 }]);
      await assert.rejects(asks({ ca }), { code: 'ER_ACCESS_DENIED_ERROR' });
      await assert.rejects(asks({ ca: cert, cert, key }), { code: 'HANDSHAKE_SSL_ERROR' });
    });

    it('leaves neither a process nor a file, not even when it does not start', async () => {
      const gone = await startDatabaseOf(kind, { folder: join(folder, 'gone') });
      await gone[Symbol.asyncDispose]();
      assert.equal(isAlive(gone.pid), false);
      assert.equal(existsSync(gone.folder), false);

      const refused = startDatabaseOf(kind, { folder: join(folder, 'refused'), options: ['--no-such-option=1'] });
      await assert.rejects(refused, /no-such-option/);
      assert.equal(existsSync(join(folder, 'refused')), false);
    });
  });

  describe(`a pair of ${kind}`, () => {
    let folder = '';
    let pair: DatabasePair;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'thinman-lab-'));
      pair = await startPair(kind, { folder });
      await createAccounts(pair.master, ACCOUNTS);
      await pair.master.rootQuery('CREATE TABLE site.kept (number INT PRIMARY KEY)');
      await pair.waitUntilAligned();
    });
    after(async () => {
      await pair[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });
    const write = (server: DatabaseServer, number: number) =>
      query(server, ACCOUNTS.primary, `INSERT INTO kept VALUES (${number})`);
    const kept = (server: DatabaseServer) =>
      query(server, ACCOUNTS.secondary, 'SELECT number FROM kept ORDER BY number');

    it('gives the slave what the master has, accounts too', async () => {
      await write(pair.master, 1);
      await pair.waitUntilAligned();
      assert.deepEqual(await kept(pair.slave), [{ number: 1 }]);
      assert.deepEqual(await pair.status(), { receiver: true, applier: true, error: '' });
    });

    it('lets nobody write on the slave, also after a restart', async () => {
      await assert.rejects(write(pair.slave, 9), { code: 'ER_OPTION_PREVENTS_STATEMENT' });
      await pair.slave.restart();
      await assert.rejects(write(pair.slave, 9), { code: 'ER_OPTION_PREVENTS_STATEMENT' });
    });

    for (const part of ['receiver', 'applier'] as const) {
      it(`keeps the slave back while the ${part} stands, and catches up`, async () => {
        await pair.breakReplication(part);
        assert.equal((await pair.status())[part], false);
        const before = await kept(pair.slave);
        await write(pair.master, part === 'receiver' ? 2 : 3);
        assert.deepEqual(await kept(pair.slave), before);
        await pair.mendReplication();
        await pair.waitUntilAligned();
        assert.deepEqual(await kept(pair.slave), await kept(pair.master));
      });
    }

    it('goes on by itself when the master was killed and came back', async () => {
      await pair.master.kill();
      await pair.master.restart();
      await write(pair.master, 4);
      await pair.waitUntilAligned();
      assert.deepEqual(await kept(pair.slave), await kept(pair.master));
    });

    it('turns round: the slave is promoted, the former master follows it', async () => {
      await pair.master.kill();
      await pair.promoteSlave();
      await write(pair.slave, 5);
      await pair.master.restart();
      const back = await replicate(pair.slave, pair.master);
      assert.deepEqual(await kept(pair.master), await kept(pair.slave));
      await assert.rejects(write(pair.master, 6), { code: 'ER_OPTION_PREVENTS_STATEMENT' });
      assert.equal((await back.status()).error, '');
    });
  });
}
