// Two Primaries that have begun the same epoch, each on a database of its own: one by promotion, the other one by accepting a
// restored database, while neither saw the other.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AcceptDatabaseAnswer, ForkReport, ObjectOutput, PromotionAnswer } from '@thinman/protocol';
import Type from 'typebox';
import { RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { parseFile } from '../../packages/server/src/cli/thinman/documents.ts';
import { copyDatabase, putBackDatabase } from '../support/database-files.ts';
import { ownDatabase } from '../support/own-database.ts';
import {
  type LocalDevice,
  type LocalServer,
  PATIENT_TIMINGS,
  type SiteInProcess,
  siteInProcess,
} from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const user = (name: string) => ({ kind: 'User' as const, name, body: {} });
const users = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => user(`${prefix}-${at}`));
/** What a device's own bundle changes with. */
const settings = (hedgeDelayMs: number) => ({
  ...{ kind: 'SiteSettings', name: 'site' },
  body: { agent: { ...PATIENT_TIMINGS, hedgeDelayMs } },
});
const refusedWith = (code: string, detail?: RegExp) => (error: unknown) =>
  error instanceof RefusedByServer && error.problem.code === code && (detail?.test(error.problem.detail ?? '') ?? true);

describe('an epoch that two Primaries have begun', () => {
  let site: SiteInProcess;
  let primary: LocalServer;
  let secondary: LocalServer;
  let device: LocalDevice;

  const statusOf = (server: LocalServer) => server.running().status();
  const apply = (server: LocalServer, ...objects: readonly unknown[]) =>
    server.ask(Type.Unknown(), '/apply', { objects });
  const forkFiles = ({ dir }: LocalServer) => readdirSync(dir).filter(file => file.startsWith('fork-'));
  const is = (server: LocalServer, role: string, state: string) =>
    waitFor(
      `${server.name} to be ${role}, ${state}`,
      () => (statusOf(server).role === role && statusOf(server).state === state) || undefined,
      30_000,
    );
  const isContested = (server: LocalServer) =>
    waitFor(
      `${server.name} to see the other one`,
      async () => {
        const { why } = await server.ask(Type.Object({ why: Type.Optional(Type.String()) }), '/status');
        return why === 'contested' || undefined;
      },
      30_000,
    );
  async function accept(server: LocalServer) {
    const { database } = await server.ask(ForkReport, '/fork');
    return server.ask(AcceptDatabaseAnswer, '/fork/accept', { database, nobodyWasPromoted: true });
  }

  beforeEach(async () => {
    site = await siteInProcess();
    primary = site.primary;
    secondary = await site.joinSecondary();
    await site.apply(user('alice'));
    device = await site.enrol('tc-1');
    await device.start();
    await device.waitUntilOnline();
    await ownDatabase(primary, secondary);
    // The Secondary's database has commits that the Primary's, restored, lacks: the lines part within the first epoch.
    copyDatabase(primary.dir, join(site.root, 'older'));
    await site.apply(...users('between', 3));
    await ownDatabase(primary, secondary);
    await site.apply(...users('never-seen', 2));
    await primary.stop();
    const { recoveryCode } = site.made;
    await secondary.ask(PromotionAnswer, '/promotion', { recoveryCode, oldPrimaryIsOff: true });
    for (const one of users('promoted', 3)) await apply(secondary, one);
    await secondary.stop();

    putBackDatabase(join(site.root, 'older'), primary.dir);
    await primary.start();
    await waitFor('the fork', () => statusOf(primary).state === 'degraded' || undefined);
    const { epoch } = await accept(primary);
    assert.equal(epoch, statusOf(primary).epoch);
    for (const one of users('restored', 5)) await apply(primary, one);
    await apply(primary, settings(4_000));
    await waitFor('the device to follow', () => device.running().status().epoch === 2 || undefined);
    await secondary.start();
    assert.deepEqual([statusOf(primary).epoch, statusOf(secondary).epoch], [2, 2]);
  });
  afterEach(() => site.close());

  /** What both have had since the contest, and no more: nobody wrote. */
  async function bothRefuse(): Promise<void> {
    for (const [server, other] of [
      [primary, secondary],
      [secondary, primary],
    ] as const) {
      await isContested(server);
      await assert.rejects(
        apply(server, user('eve')),
        refusedWith('epoch_contested', new RegExp(`${other.name}.*accept-database`)),
      );
    }
  }

  /** The chosen one goes on; the other one exports what it alone has, and hands on its events. */
  async function resolvedBy(chosen: LocalServer, other: LocalServer, exported: readonly string[]): Promise<void> {
    const before = await eventsOf(other);
    // Where it accepted a restored database, it has exported what that lacked.
    const filesBefore = forkFiles(other);
    const report = await chosen.ask(ForkReport, '/fork');
    assert.deepEqual([report.forked, report.contested?.name], [false, other.name]);
    const { epoch } = await accept(chosen);
    assert.equal(epoch, 3);
    await is(chosen, 'primary', 'serving');
    await apply(chosen, user('after'), settings(3_000));
    // It would hear of it within ten seconds; at its start it asks before anything else.
    await other.stop();
    await other.start();
    await is(other, 'secondary', 'degraded');
    await assert.rejects(apply(other, user('eve')), refusedWith('not_primary'));
    const file = await waitFor('its export', () => forkFiles(other).find(name => !filesBefore.includes(name)), 30_000);
    const written = readFileSync(join(other.dir, file), 'utf8');
    const { objects } = parseFile('fork.yaml', written);
    const named = objects.map(({ value }) => value as { kind: string; name: string });
    assert.deepEqual(
      named.filter(({ kind }) => kind === 'User').map(({ name }) => name),
      exported,
    );
    const kept = objects.map(({ value }) => value).filter(value => (value as { kind: string }).kind === 'User');
    await apply(chosen, ...kept);
    for (const name of exported) await chosen.ask(ObjectOutput, `/objects/User/${name}`);

    await waitFor('its events', () => statusOf(other).journalPending === 0 || undefined, 30_000);
    const after = await eventsOf(chosen);
    assert.equal(new Set(after).size, after.length);
    for (const id of before) assert.ok(after.includes(id), `event ${id} is lost`);
    await waitFor(
      'the device to follow',
      () => {
        const { server, epoch: known } = device.running().status();
        return (server?.name === chosen.name && known === 3) || undefined;
      },
      30_000,
    );
  }

  it('takes no write on either side, over restarts too, until the one with more commits is chosen', async () => {
    await bothRefuse();
    await secondary.stop();
    await primary.stop();
    await primary.start();
    await assert.rejects(apply(primary, user('eve')), refusedWith('epoch_contested'));
    await secondary.start();
    const names = [...users('between', 3), ...users('promoted', 3)].map(({ name }) => name);
    await resolvedBy(primary, secondary, names);
  });

  it('is ended on the side that was promoted as well', async () => {
    // The other one does not know of it yet.
    await isContested(secondary);
    const { recoveryCode } = site.made;
    await assert.rejects(
      secondary.ask(PromotionAnswer, '/promotion', { recoveryCode, oldPrimaryIsOff: true }),
      refusedWith('conflict', /accept-database/),
    );
    await resolvedBy(
      secondary,
      primary,
      users('restored', 5).map(({ name }) => name),
    );
  });

  async function eventsOf(server: LocalServer): Promise<readonly string[]> {
    const Ids = Type.Object({ items: Type.Array(Type.Object({ id: Type.String() })) });
    return (await server.ask(Ids, '/events?limit=1000')).items.map(({ id }) => id);
  }
});
