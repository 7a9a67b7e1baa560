import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApplyAnswer, Problem, SiteStatement, ThinmanEvent } from '@thinman/protocol';
import pino from 'pino';
import type { AdminDeps } from '../../packages/server/src/admin-plane/admin-deps.ts';
import { ADMIN_PREFIX, adminPlane } from '../../packages/server/src/admin-plane/admin-plane.ts';
import { createStagedIndex } from '../../packages/server/src/core/staged-index.ts';
import { createLocalApp } from '../../packages/server/src/http/app.ts';
import type { HttpApp } from '../../packages/server/src/http/codec.ts';
import { newDataKey } from '../../packages/server/src/identity/data-key.ts';
import { holdDataKey } from '../../packages/server/src/identity/data-key-holder.ts';
import { rawPublicKey } from '../../packages/server/src/identity/raw-keys.ts';
import type { PasswordHasher, SourceOfRecord } from '../../packages/server/src/ports.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { openReplica } from '../../packages/server/src/replica/replica.ts';
import { createSync } from '../../packages/server/src/replica/sync.ts';
import { type ManualClock, manualClock } from './manual-clock.ts';
import { newSite, PRIMARY, SITE_ID } from './record-fixtures.ts';

export const OWNER = { user: 'admin', password: 'an-administrators-password' } as const;
export const PRIMARY_URL = 'https://primary.example:8443';
export const SECONDARY_URL = 'https://secondary.example:8443';

/** A server's key hashes in the form that the schemas want. */
const hash = (text: string) => createHash('sha256').update(text).digest('base64url');

const STATEMENT: SiteStatement = {
  siteId: SITE_ID,
  epoch: 1,
  version: 1,
  servers: (['primary', 'secondary'] as const).map(role => ({
    name: role,
    url: role === 'primary' ? PRIMARY_URL : SECONDARY_URL,
    role,
    keyHash: hash(role),
    sessionKey: 'c2Vzc2lvbg',
    wrappingKey: 'd3JhcHBpbmc',
  })),
  caPins: [hash('ca')],
  directorySuffixes: [],
};

/** Counts hashes and costs nothing: what is tested is when hashing happens. Salted, so that equal passwords differ. */
export type CountingHasher = PasswordHasher & { hashes(): number };

export function countingHasher(): CountingHasher {
  let hashes = 0;
  const of = (...parts: readonly string[]) => {
    hashes++;
    return hash(parts.join('\n'));
  };
  const newSalt = () => randomBytes(16).toString('base64url');
  return {
    hashes: () => hashes,
    async credential(password, siteId) {
      const salt = newSalt();
      return { salt, publicKey: of(password, siteId, salt) };
    },
    async fits(password, siteId, { salt, publicKey }) {
      return of(password, siteId, salt) === publicKey;
    },
    async administrator(password) {
      const passwordSalt = newSalt();
      return { passwordSalt, passwordHash: of(password, passwordSalt) };
    },
    async administratorFits(password, { passwordSalt, passwordHash }) {
      return of(password, passwordSalt) === passwordHash;
    },
  };
}

export type Answered = { readonly status: number; readonly body: unknown; readonly headers: Record<string, unknown> };

export type AdminSite = {
  readonly deps: AdminDeps;
  /** For requests that `ask` cannot make. */
  readonly apps: Readonly<Record<'local' | 'network', HttpApp>>;
  readonly clock: ManualClock;
  readonly hasher: CountingHasher;
  readonly events: { readonly type: string; readonly data: Record<string, unknown> }[];
  /** How often a new site statement was asked for. */
  restated(): number;
  drained(): number;
  /** A request to the admin plane, by default as the owner of the local socket. */
  ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, options?: AskOptions): Promise<Answered>;
  /** Applies and gives the answer; anything but 200 is an error. */
  apply(objects: readonly unknown[]): Promise<ApplyAnswer>;
  /** Applies what must be refused. */
  refused(objects: readonly unknown[]): Promise<Problem>;
  /** Over the network: logs in and gives the token. */
  login(credentials?: { readonly user: string; readonly password: string }): Promise<string>;
  close(): Promise<void>;
};

export type AskOptions = { readonly body?: unknown; readonly way?: 'local' | 'network'; readonly token?: string };

export type AdminSiteOptions = {
  /** What this server is; default: the Primary. */
  readonly instance?: string;
  /** Stands between the admin plane and its database. */
  readonly around?: (record: SourceOfRecord) => SourceOfRecord;
};

/** The admin plane of one server on a real source of record and a real replica, in a folder of its own. */
export async function createAdminSite({
  instance = PRIMARY,
  around = record => record,
}: AdminSiteOptions = {}): Promise<AdminSite> {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-admin-'));
  const clock = manualClock();
  const hasher = countingHasher();
  const wrappingKey = generateKeyPairSync('x25519').privateKey;
  const { dataKey, follow } = holdDataKey(newDataKey(), { siteId: SITE_ID, wrappingKey, save: () => {} });
  const real = openSourceOfRecord('sqlite:site.db', { dataDir: folder, siteId: SITE_ID, clock });
  await real.initialise(newSite(), [
    {
      kind: 'Administrator',
      name: OWNER.user,
      body: { role: 'owner' },
      system: await hasher.administrator(OWNER.password),
    },
    { kind: 'SiteSettings', name: 'site', body: {}, system: {} },
    {
      kind: 'Server',
      name: 'primary',
      body: { url: PRIMARY_URL, order: 0 },
      system: { instance: PRIMARY, keyHash: hash('primary'), wrappingKey: rawPublicKey(wrappingKey) },
    },
    {
      kind: 'Device',
      name: 'tc-1',
      body: {},
      system: {
        keyHash: hash('tc-1'),
        certificateSerial: '1',
        certificateExpiresAt: 1,
        enrolledAt: 0,
        enrolledBy: 'token',
      },
    },
  ]);
  const record = around(real);
  const replica = openReplica(join(folder, 'replica.db'), { clock, siteId: SITE_ID });
  const index = createStagedIndex();
  replica.onApplied(({ full, objects }) => {
    if (full) index.clear();
    for (const object of objects) index.update(object);
    follow(replica.get('Server', 'primary')?.system.wrappedDataKey);
  });
  const sync = createSync({ record, replica, clock });
  await sync.syncNow();

  const events: { type: string; data: Record<string, unknown> }[] = [];
  let restated = 0;
  let drained = 0;
  const deps: AdminDeps = {
    record,
    replica,
    identity: {
      ...{ siteId: SITE_ID, instance, name: instance === PRIMARY ? 'primary' : 'secondary' },
      ...{ keyHash: hash('primary'), wrappingKey: rawPublicKey(wrappingKey) },
    },
    hasher,
    dataKey,
    events: {
      async write(type: ThinmanEvent['type'], data: Record<string, unknown>) {
        events.push({ type, data });
      },
    },
    clock,
    config: () => index.config,
    configFor: index.configFor,
    targetsOf: index.targetsOf,
    // No bundle is made here: what a device tells of is never the newest by its ETag.
    currentEtag: () => 'unknown',
    syncNow: () => sync.syncNow(),
    restate: async () => void restated++,
    statement: () => STATEMENT,
    status: () => ({
      name: 'primary',
      role: 'primary',
      state: 'serving',
      epoch: 1,
      generation: replica.position()?.version.generation ?? 0,
      database: { kind: 'sqlite', reachable: true, lagMs: 0 },
      connectedDevices: 0,
      journalPending: 0,
      version: '0.0.0',
      schema: 1,
    }),
    drain: () => void drained++,
  };
  const log = pino({ enabled: false });
  const apps = { local: createLocalApp({ log }), network: createLocalApp({ log }) };
  for (const way of ['local', 'network'] as const) {
    await apps[way].register(adminPlane(deps, way), { prefix: ADMIN_PREFIX });
  }

  const ask: AdminSite['ask'] = async (method, path, { body, way = 'local', token } = {}) => {
    const answer = await apps[way].inject({
      method,
      url: ADMIN_PREFIX + path,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
  };

  return {
    deps,
    apps,
    clock,
    hasher,
    events,
    restated: () => restated,
    drained: () => drained,
    ask,
    async apply(objects) {
      const { status, body } = await ask('POST', '/apply', { body: { objects } });
      if (status !== 200) throw new Error(`apply was refused: ${JSON.stringify(body)}`);
      return body as ApplyAnswer;
    },
    async refused(objects) {
      const { status, body } = await ask('POST', '/apply', { body: { objects } });
      if (status === 200) throw new Error(`apply was not refused: ${JSON.stringify(body)}`);
      return body as Problem;
    },
    async login(credentials = OWNER) {
      const { status, body } = await ask('POST', '/login', { way: 'network', body: credentials });
      if (status !== 200) throw new Error(`login was refused: ${JSON.stringify(body)}`);
      return (body as { token: string }).token;
    },
    async close() {
      await Promise.all([apps.local.close(), apps.network.close()]);
      await sync.stop();
      replica.close();
      await real.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
