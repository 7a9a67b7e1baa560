// What a server says of the database that it was given, and that what it tells people to run mends it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { SourceOfRecord } from '../../packages/server/src/ports.ts';
import { type DatabaseFinding, DatabaseUnfit } from '../../packages/server/src/record/errors.ts';
import { openSourceOfRecord, type RecordOptions } from '../../packages/server/src/record/source-of-record.ts';
import { type DatabaseLab, databaseLab } from '../support/database-lab.ts';
import { createAccount } from '../support/databases/accounts.ts';
import type { DatabaseServer, DatabaseTls } from '../support/databases/database-server.ts';
import { manualClock } from '../support/manual-clock.ts';
import { newSite, recordedEvent } from '../support/record-fixtures.ts';
import { assertUnavailable, putUser } from '../support/record-steps.ts';

/** `server`: it has these certificates. */
export function fitnessContract(name: string, given: () => { server: DatabaseServer; tls: DatabaseTls }): void {
  describe(`what a database gives a server: ${name}`, () => {
    let server: DatabaseServer;
    let lab: DatabaseLab;
    let opened: SourceOfRecord[];
    let findings: DatabaseFinding[];

    const open = (url: string, options: Partial<RecordOptions> = {}) => {
      const record = openSourceOfRecord(url, {
        ...{ dataDir: server.folder, clock: manualClock(), ...options },
        onFinding: (_where, finding) => findings.push(finding),
      });
      opened.push(record);
      return record;
    };
    /** A fresh account with these rights on the database of this test; its URL. */
    async function account(rights: string, more: { password?: string; require?: string } = {}): Promise<string> {
      const user = `u_${randomBytes(4).toString('hex')}`;
      const { password = 'pass-word', require } = more;
      await createAccount(server, { user, password }, `${rights} ON ${lab.database}.*`, require);
      return server.url(user, password, lab.database);
    }
    /** Runs what people are told to run. */
    const run = async (sql: readonly string[]) => {
      for (const statement of sql) await server.rootScript(`USE ${lab.database}; ${statement}`);
    };
    async function unfit(call: Promise<unknown>): Promise<DatabaseFinding> {
      const error = await call.then(
        () => assert.fail('it was taken'),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof DatabaseUnfit, `expected DatabaseUnfit, got ${error}`);
      return error.finding;
    }

    beforeEach(async () => {
      ({ server } = given());
      opened = [];
      findings = [];
      lab = await databaseLab(server);
    });
    afterEach(async () => {
      await Promise.all(opened.map(record => record.close()));
      await lab.remove();
    });

    describe('durability', () => {
      const WEAK = { sync_binlog: '0', innodb_flush_log_at_trx_commit: '2', binlog_format: "'MIXED'" };
      const GOOD = { sync_binlog: '1', innodb_flush_log_at_trx_commit: '1', binlog_format: "'ROW'" };
      const set = async (values: Readonly<Record<string, string>>) => {
        for (const [variable, value] of Object.entries(values))
          await server.rootQuery(`SET GLOBAL ${variable} = ${value}`);
      };
      afterEach(() => set(GOOD));

      it('that may lose a commit is refused to a Primary, until what it says was run', async () => {
        await lab.open().initialise(newSite(), []);
        for (const [variable, value] of Object.entries(WEAK)) {
          await set({ [variable]: value });
          const finding = await unfit(open(lab.url()).feed(undefined));
          assert.match(finding.what, new RegExp(`${variable} = `));
          await run(finding.mend);
          await putUser(open(lab.url()), 'alice');
        }
      });

      it('is no matter to a Secondary, nor to whoever accepts it; he is told', async () => {
        await lab.open().initialise(newSite(), []);
        await set(WEAK);
        assert.equal((await open(lab.url(true), { readOnly: true }).feed(undefined)).kind, 'full');
        assert.deepEqual(findings, []);
        await putUser(open(lab.url(), { acceptWeakDurability: true }), 'alice');
        assert.match(findings.map(({ what }) => what).join('; '), /sync_binlog = 0/);
      });

      it('that is weaker after a restart of the database stops a Primary that runs, and it goes on by itself', async () => {
        const record = open(lab.url());
        await record.initialise(newSite(), []);
        await server.kill();
        await server.restart();
        await set(WEAK);
        await unfit(putUser(record, 'alice'));
        const { mend } = await unfit(record.feed(undefined));
        await run(mend);
        assert.equal((await putUser(record, 'bob')).version.generation, 2);
      });
    });

    it('and a packet too small for a large object is told, until what it says was run', async () => {
      const [before] = await server.rootQuery('SELECT @@GLOBAL.max_allowed_packet AS bytes');
      await server.rootQuery('SET GLOBAL max_allowed_packet = 1048576');
      try {
        await open(lab.url()).initialise(newSite(), []);
        assert.match(findings.map(({ what }) => what).join('; '), /more than 1048576 bytes \(max_allowed_packet\)/);
        const large = () => putUser(open(lab.url()), 'large', 'x'.repeat(1_500_000));
        await assert.rejects(large(), assertUnavailable);
        await run(findings.splice(0).flatMap(({ mend }) => mend));
        await large();
        assert.deepEqual(findings, []);
      } finally {
        await server.rootQuery(`SET GLOBAL max_allowed_packet = ${before?.bytes}`);
      }
    });

    describe('rights', () => {
      const ALL = ALL_RIGHTS;

      it('of a Primary are those that it names, and no more', async () => {
        const url = await account(ALL);
        const record = open(url);
        await record.initialise(newSite(), []);
        await putUser(record, 'alice');
        await record.close();
        await putUser(open(url), 'bob');
        assert.deepEqual(findings, []);
      });

      it('that a Primary lacks are named, with what gives them to this account', async () => {
        await lab.open().initialise(newSite(), []);
        for (const lacking of ALL.split(', ').filter(right => right !== 'SELECT')) {
          const url = await account(
            ALL.split(', ')
              .filter(right => right !== lacking)
              .join(', '),
          );
          const finding = await unfit(open(url).feed(undefined));
          assert.match(finding.what, new RegExp(`lacks ${lacking} `));
          await run(finding.mend);
          await putUser(open(url), 'alice');
        }
      });

      it('that are taken away and given back while it runs hold as soon as they are back', async () => {
        const url = await account(ALL);
        const { username } = new URL(url);
        const record = open(url);
        await record.initialise(newSite(), []);
        const objects = `ON \`${new URL(url).pathname.slice(1)}\`.*`;
        await server.rootScript(`REVOKE INSERT ${objects} FROM ${username}@'%';`);
        // As the database does with those that rest for ten seconds: its sessions keep the rights of their beginning.
        const sessions = await server.rootQuery('SELECT id FROM information_schema.processlist WHERE user = ?', [
          username,
        ]);
        for (const { id } of sessions) await server.rootQuery(`KILL ${id}`);
        await assert.rejects(putUser(record, 'alice'), assertUnavailable);
        await server.rootScript(`GRANT INSERT ${objects} TO ${username}@'%';`);
        await putUser(record, 'alice');
      });

      it('may come by a role, or by a pattern', async () => {
        await lab.open().initialise(newSite(), []);
        const url = await account('SELECT');
        const { username } = new URL(url);
        const role = `role_${username}`;
        await server.rootScript(`
          CREATE ROLE ${role}; GRANT ${ALL} ON \`lab\\_%\`.* TO ${role}; GRANT ${role} TO ${username}@'%';
          SET DEFAULT ROLE ${role} ${server.kind === 'mysql' ? 'TO' : 'FOR'} ${username}@'%';`);
        await putUser(open(url), 'alice');
      });

      it('that a Secondary has no use for are told, with what takes them away', async () => {
        await lab.open().initialise(newSite(), []);
        const url = await account('SELECT, INSERT, UPDATE');
        assert.equal((await open(url, { readOnly: true }).feed(undefined)).kind, 'full');
        assert.equal(findings.length, 1);
        await run(findings[0]?.mend ?? []);
        findings = [];
        assert.equal((await open(url, { readOnly: true }).feed(undefined)).kind, 'full');
        assert.deepEqual(findings, []);
      });

      it("of the Primary's own account are not taken away because a Secondary uses it", async () => {
        await lab.open().initialise(newSite(), []);
        await open(await account(ALL), { readOnly: true }).feed(undefined);
        const sql = findings[0]?.mend.join(' ') ?? '';
        assert.match(sql, /CREATE USER 'thinman_secondary'@'%'.*GRANT SELECT ON/);
        assert.doesNotMatch(sql, /REVOKE/);
      });

      it('to read are asked for where they lack', async () => {
        await lab.open().initialise(newSite(), []);
        const url = await account('INSERT');
        const failure = await open(url, { readOnly: true })
          .feed(undefined)
          .catch((error: Error) => error);
        assert.ok(assertUnavailable(failure) && failure instanceof Error);
        assert.match(failure.message, /GRANT SELECT ON `lab_[^`]+`\.\* TO 'u_[^']+'@'%';$/);
      });
    });

    it('is of the kind that the server says', async () => {
      const record = open(lab.url());
      await record.site();
      assert.equal(record.kind, server.kind);
    });

    it('holds what its columns can; an event that none of them can goes to the quarantine, alone', async () => {
      const record = open(lab.url());
      await record.initialise(newSite(), []);
      const good = [recordedEvent(), recordedEvent(), recordedEvent()];
      const bad = [
        recordedEvent({ type: 'x'.repeat(500) }),
        recordedEvent({ at: 2 ** 70 }),
        recordedEvent({ takenAt: 'soon' as never }),
      ];
      const { quarantined } = await record.storeEvents(good.flatMap((event, i) => [event, bad[i] ?? event]));
      assert.equal(quarantined, bad.length);
      const stored = await record.events({ limit: 10 });
      assert.deepEqual(
        stored.map(({ id }) => id).toReversed(),
        good.map(({ id }) => id),
      );
      assert.deepEqual(new Set(await lab.quarantined()), new Set(bad.map(({ id }) => id)));
    });

    describe('tables', () => {
      it('that a restore has put into another engine are refused, until they are back', async () => {
        await lab.open().initialise(newSite(), []);
        await lab.sql('ALTER TABLE $.site ENGINE = MyISAM');
        const { what, mend } = await unfit(open(lab.url()).feed(undefined));
        assert.match(what, /site: MyISAM/);
        await run(mend);
        await putUser(open(lab.url()), 'alice');
      });
    });

    describe('a database that became read-only', () => {
      afterEach(() => server.setReadOnly(false));

      it('is read on, and refuses a change in words of what it is', async () => {
        const record = open(lab.url());
        await record.initialise(newSite(), []);
        await server.setReadOnly(true);
        assert.equal((await record.feed(undefined)).kind, 'full');
        await assert.rejects(putUser(record, 'alice'), { trouble: 'read_only', message: /demoted Master/ });
        await server.setReadOnly(false);
        await putUser(record, 'bob');
      });
    });

    describe('an account without any right on the database', () => {
      it('is told the GRANT for it, and what it is told to run makes it work', async () => {
        const user = `u_${randomBytes(4).toString('hex')}`;
        await createAccount(server, { user, password: 'pass-word' }, 'USAGE ON *.*');
        const record = open(server.url(user, 'pass-word', lab.database));
        const refused = await record.initialise(newSite(), []).catch((error: Error) => error);
        assert.ok(assertUnavailable(refused) && refused instanceof Error);
        assert.match(refused.message, new RegExp(`may not use it.* Run there: GRANT .* TO '${user}'@'%';`));
        await run([refused.message.split('. Run there: ')[1] ?? '']);
        await record.initialise(newSite(), []);
      });
    });

    describe('the password', () => {
      it('in a file is read again for each connection, so that it can be changed while all runs', async () => {
        const file = join(server.folder, 'password');
        const url = new URL(await account(ALL_RIGHTS, { password: 'the-first' }));
        url.password = '';
        url.searchParams.set('password-file', file);
        writeFileSync(file, 'the-first\n');
        const record = open(url.href);
        await record.initialise(newSite(), []);
        await server.rootQuery("ALTER USER ?@'%' IDENTIFIED BY 'the-second'", [url.username]);
        await server.kill();
        await server.restart();
        const refused = await record.feed(undefined).catch((error: Error) => error);
        assert.ok(assertUnavailable(refused) && refused instanceof Error);
        assert.match(refused.message, /refuses the account or its password/);
        assert.doesNotMatch(refused.message, /the-first|the-second/);
        writeFileSync(file, 'the-second\n');
        await putUser(record, 'alice');
      });

      it('in the environment is used where the URL has none', async t => {
        const url = new URL(await account(ALL_RIGHTS, { password: 'of-the-environment' }));
        url.password = '';
        await assert.rejects(open(url.href).site(), { trouble: 'refused' });
        const before = process.env.THINMAN_DATABASE_PASSWORD;
        process.env.THINMAN_DATABASE_PASSWORD = 'of-the-environment';
        t.after(() => {
          if (before === undefined) delete process.env.THINMAN_DATABASE_PASSWORD;
          else process.env.THINMAN_DATABASE_PASSWORD = before;
        });
        await open(url.href).initialise(newSite(), []);
      });
    });

    describe('TLS', () => {
      const withTls = (url: string, more: Readonly<Record<string, string>>) => {
        const tlsUrl = new URL(url);
        for (const [parameter, value] of Object.entries(more)) tlsUrl.searchParams.set(parameter, value);
        return tlsUrl.href;
      };

      it('with the CA and a certificate of its own is what an account may ask for', async () => {
        const { tls } = given();
        const url = await account(ALL_RIGHTS, { require: 'X509' });
        await assert.rejects(open(url).site(), { trouble: 'refused' });
        const ca = { 'ssl-ca': tls.caFile };
        await assert.rejects(open(withTls(url, ca)).site(), { trouble: 'refused' });
        const own = { 'ssl-cert': tls.clientCertificateFile, 'ssl-key': tls.clientKeyFile };
        const record = open(withTls(url, { ...ca, ...own }));
        await record.initialise(newSite(), []);
        await putUser(record, 'alice');
      });

      it('is with the host that the certificate names, or with none', async () => {
        const { tls } = given();
        const url = lab.url();
        await open(withTls(url, { 'ssl-ca': tls.caFile })).site();
        const name = open(withTls(url.replace('127.0.0.1', 'localhost'), { 'ssl-ca': tls.caFile }));
        await assert.rejects(name.site(), { trouble: 'unreachable', message: /certificate/ });
        await open(
          withTls(url.replace('127.0.0.1', 'localhost'), { 'ssl-ca': tls.caFile, 'ssl-name': '127.0.0.1' }),
        ).site();
        const other = open(withTls(url, { 'ssl-ca': tls.clientCertificateFile }));
        await assert.rejects(other.site(), { trouble: 'unreachable', message: /certificate/ });
      });
    });
  });
}

const ALL_RIGHTS = 'CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE';
