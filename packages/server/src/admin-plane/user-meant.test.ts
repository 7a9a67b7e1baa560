import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKind } from '@thinman/protocol';
import { createSiteIndex } from '../core/site-index.ts';
import { createHoldings } from '../device-plane/channel/holdings.ts';
import type { DirectoryStatus } from '../directory/directories.ts';
import { countedAs, loginParts } from '../directory/login-name.ts';
import type { Replica, StoredObject } from '../ports.ts';
import type { AdminDeps } from './admin-deps.ts';
import { effective } from './effective.ts';
import { hindranceOf } from './emergency-code.ts';
import { offlineUsers } from './offline-users.ts';
import { type NamesOfDirectories, userMeant } from './user-meant.ts';

const LAB = { suffix: 'lab.test', domain: undefined };
const EVE = { userId: '7d4ad2b6-8c1e-5f6a-9d2b-0c3e4f5a6b7c', name: 'eve@lab.test', displayName: 'Eve', groups: [] };

/** One directory (or two) of which the form of a name is all that is asked, and what it says of everybody. */
function directories(status: DirectoryStatus, plain = [LAB]): NamesOfDirectories {
  return {
    claims: user => (/^other/i.test(user) ? 'none' : /@|\\/.test(user) ? 'by_domain' : 'plain'),
    keysOf(user) {
      const parts = loginParts(user);
      return countedAs(parts, { meant: parts.form === 'plain' ? plain : [LAB], plain });
    },
    spellingsOf: user => [user],
    status: async () => status,
  };
}

function replicaOf(users: Readonly<Record<string, object>>): Pick<Replica, 'get' | 'findByUid'> {
  return {
    get(kind, name) {
      const system = users[name];
      if (kind !== 'User' || system === undefined) return undefined;
      return { kind, name, uid: `uid-${name}`, generation: 1, body: {}, system, deleted: false } as StoredObject;
    },
    findByUid: () => undefined,
  };
}
const withPassword = { credential: { version: 1 } };

test('the helpdesk names a directory’s user in every form of a login, and means one object', async () => {
  const deps = { replica: replicaOf({}), directories: directories({ kind: 'ok', account: EVE }) };
  for (const typed of ['eve@lab.test', 'LAB\\Eve', 'EVE@LAB.TEST', 'eve']) {
    const meant = await userMeant(deps, typed);
    assert.deepEqual(meant.ok && meant.value, { name: 'eve@lab.test', mayBeMade: true }, typed);
  }
});

test('a local user goes before, and a name that no directory claims is itself', async () => {
  const deps = { replica: replicaOf({ eve: withPassword }), directories: directories({ kind: 'ok', account: EVE }) };
  for (const typed of ['eve', 'other']) {
    const meant = await userMeant(deps, typed);
    assert.deepEqual(meant.ok && meant.value, { name: typed, mayBeMade: false });
  }
});

test('a name that the directory does not have makes no object, unless something was said of it before', async () => {
  const both = directories({ kind: 'unknown', why: 'ambiguous' }, [LAB, { suffix: 'uni.test', domain: undefined }]);
  const ambiguous = await userMeant({ replica: replicaOf({}), directories: both }, 'eve');
  assert.match(JSON.stringify(ambiguous), /More than one directory has .*name it as eve@lab.test or eve@uni.test/);
  const directory = directories({ kind: 'unknown' });
  const none = await userMeant({ replica: replicaOf({}), directories: directory }, 'evee@lab.test');
  assert.equal(!none.ok && none.problem.code, 'not_found');
  assert.match(String(!none.ok && none.problem.detail), /no directory has one/);
  const said = await userMeant({ replica: replicaOf({ 'eve@lab.test': {} }), directories: directory }, 'LAB\\eve');
  assert.deepEqual(said.ok && said.value, { name: 'eve@lab.test', mayBeMade: false });
  const plain = await userMeant({ replica: replicaOf({ eve: {} }), directories: directory }, 'eve');
  assert.deepEqual(plain.ok && plain.value, { name: 'eve', mayBeMade: false });
});

test('where the directory cannot be asked the form of the name decides; a plain name that several may have is refused', async () => {
  const replica = replicaOf({});
  for (const kind of ['unavailable', 'not_told'] as const) {
    const meant = await userMeant({ replica, directories: directories({ kind }) }, 'LAB\\eve');
    assert.deepEqual(meant.ok && meant.value, { name: 'eve@lab.test', mayBeMade: true });
  }
  const two = [LAB, { suffix: 'clinic.test', domain: undefined }];
  const meant = await userMeant({ replica, directories: directories({ kind: 'unavailable' }, two) }, 'eve');
  assert.match(String(!meant.ok && meant.problem.detail), /name it as eve@lab\.test or eve@clinic\.test/);
});

test('who could log in offline is found by every form of the name, whatever was typed on the device', () => {
  const holdings = createHoldings();
  const told = { version: { epoch: 1, generation: 1 }, until: 1 };
  const local = '0b6f3c6e-6a0f-4a43-8d1c-1f0d8f2b7c11';
  holdings.told(
    { uid: 'd1', name: 'tc-1' },
    { offlineUsers: [{ userId: EVE.userId, user: 'LAB\\Eve', ...told } as never] },
    1,
  );
  holdings.told({ uid: 'd2', name: 'tc-2' }, { offlineUsers: [{ userId: local, user: 'steve', ...told } as never] }, 1);
  const deps = {
    ...{ holdings: { ...holdings, isConnected: () => true }, identity: { name: 'primary' } },
    ...{ replica: replicaOf({ steve: withPassword }), directories: directories({ kind: 'unavailable' }) },
  } as unknown as AdminDeps;
  const found = (user: string) => {
    const answer = offlineUsers(deps, { user });
    return answer.ok ? answer.value.items.map(item => `${item.user} on ${item.device}`) : assert.fail('refused');
  };
  for (const typed of ['eve', 'eve@lab.test', 'lab\\EVE']) assert.deepEqual(found(typed), ['LAB\\Eve on tc-1'], typed);
  assert.deepEqual(found('steve'), ['steve on tc-2']);
  assert.deepEqual(found('adam'), []);
});

test('a code by telephone looks at what was said of a directory’s user, in every form of the name', () => {
  const said = { disabled: true };
  const replicaWith = (deleted: boolean) => ({
    ...{ get: () => undefined, findByUid: () => undefined },
    find: (_kind: string, name: string) =>
      name === 'eve@lab.test' ? { name, body: said, system: {}, deleted, generation: 1 } : undefined,
  });
  const hindrance = (typed: string, deleted = false) =>
    hindranceOf(
      {
        ...{ replica: replicaWith(deleted), clock: { nowMs: () => 1 } },
        directories: directories({ kind: 'unavailable' }),
      } as unknown as AdminDeps,
      typed,
    );
  for (const typed of ['eve@lab.test', 'LAB\\Eve', 'eve']) {
    assert.match(hindrance(typed) ?? 'none', /account_disabled/, typed);
    assert.equal(hindrance(typed, true), undefined, 'what was said was taken back');
  }
  assert.equal(hindrance('adam'), undefined);
});

test('what holds for a directory’s user is shown in every form of the name, by the groups of this moment', async () => {
  const account = { ...EVE, groups: ['nurses', 'of-no-interest'] };
  const live = (kind: ObjectKind, name: string, body: object) => ({ kind, name, body: { ...body }, deleted: false });
  const { config } = createSiteIndex([
    live('UserGroup', 'nurses', {}),
    live('Policy', 'dim', { settings: { power: { brightness: 70 } } }),
    live('Assignment', 'dim', { policy: 'dim', to: { userGroup: 'nurses' } }),
  ]);
  const device = { kind: 'Device', name: 'tc-1', body: {}, system: {} };
  const deps = {
    replica: { get: (kind: string) => (kind === 'Device' ? device : undefined) },
    configFor: () => config,
  };
  const asked = (typed: string, status: DirectoryStatus) =>
    effective({ ...deps, directories: directories(status) } as unknown as AdminDeps, 'tc-1', typed);
  for (const typed of ['eve@lab.test', 'LAB\\eve', 'eve']) {
    const answer = await asked(typed, { kind: 'ok', account });
    assert.equal(answer.ok && answer.value.settings['power.brightness']?.value, 70, typed);
  }
  const code = async (status: DirectoryStatus) => {
    const answer = await asked('eve@lab.test', status);
    return answer.ok ? 'ok' : answer.problem.code;
  };
  assert.equal(await code({ kind: 'unknown' }), 'not_found');
  assert.equal(await code({ kind: 'refused', code: 'account_disabled' }), 'account_disabled');
  assert.equal(await code({ kind: 'unavailable' }), 'directory_unavailable');
});
