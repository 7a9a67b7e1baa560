import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DEFAULT_AGENT_TIMINGS, DEFAULT_OFFLINE_RULES, type DeviceBundle, type UserBundle } from '@thinman/protocol';
import { MemoryFolderUnfit, openMemoryFolder } from './memory-folder.ts';
import { userPolicyFile } from './user-policy-file.ts';

const TMPFS = 0x01021994;
const EXT4 = 0xef53;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thinman-memory-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const version = { epoch: 1, generation: 4 };
const id = '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11';
const device: DeviceBundle = {
  ...{ version, etag: 'e', device: { id, name: 'tc-1', group: null } },
  ...{ settings: {}, profile: { connections: [] }, timings: DEFAULT_AGENT_TIMINGS },
};
const user: UserBundle = {
  ...{ version, etag: 'u', user: { id, name: 'alice', displayName: null, groups: [] } },
  ...{ settings: { 'locale.language': 'it' }, profile: { connections: [] }, offline: DEFAULT_OFFLINE_RULES },
};

test("a user's policy is in a file only while the session lasts, and only for the agent's user", async () => {
  const file = userPolicyFile(openMemoryFolder(join(dir, 'run'), { typeOf: () => TMPFS }));
  assert.deepEqual(await file.apply({ device, user }, {}), { result: 'applied' });
  const path = join(dir, 'run', 'user-policy.json');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), {
    user: 'alice',
    version,
    settings: user.settings,
    connections: [],
  });
  file.forget();
  assert.equal(existsSync(path), false);
  await file.apply({ device, user }, {});
  await file.apply({ device, user: null }, {});
  assert.equal(existsSync(path), false);
});

test('never on a disk: neither from the beginning nor when the folder is unmounted later', async () => {
  assert.throws(() => openMemoryFolder(join(dir, 'run'), { typeOf: () => EXT4 }), MemoryFolderUnfit);
  let type = TMPFS;
  const folder = openMemoryFolder(join(dir, 'run'), { typeOf: () => type });
  type = EXT4;
  await assert.rejects(userPolicyFile(folder).apply({ device, user }, {}), MemoryFolderUnfit);
  assert.deepEqual(readdirSync(join(dir, 'run')), []);
});

test('a real tmpfs is one, and a disk is none', { skip: !existsSync('/dev/shm') }, () => {
  const inMemory = mkdtempSync('/dev/shm/thinman-');
  try {
    assert.equal(openMemoryFolder(inMemory).require(), inMemory);
    assert.throws(() => openMemoryFolder('/proc'), MemoryFolderUnfit);
  } finally {
    rmSync(inMemory, { recursive: true });
  }
});

test('what a killed agent left there is removed, and a folder that others may look into is not taken', () => {
  const path = join(dir, 'run');
  openMemoryFolder(path, { typeOf: () => TMPFS });
  writeFileSync(join(path, 'user-policy.json'), '{}');
  openMemoryFolder(path, { typeOf: () => TMPFS });
  assert.deepEqual(readdirSync(path), []);
  chmodSync(path, 0o755);
  assert.throws(() => openMemoryFolder(path, { typeOf: () => TMPFS }), MemoryFolderUnfit);
});

test("for clients of another user it stays the agent's own, and is taken back where an earlier agent gave it away", {
  skip: process.getuid?.() !== 0,
}, () => {
  const nobody = { uid: 65_534, gid: 65_534 };
  const path = join(dir, 'run');
  const open = (owner?: typeof nobody) => openMemoryFolder(path, { typeOf: () => TMPFS, ...(owner && { owner }) });
  const found = () => {
    const { uid, gid, mode } = statSync(path);
    return [uid, gid, mode & 0o777];
  };
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, nobody.uid, nobody.gid);
  symlinkSync('/etc/passwd', join(path, '1-connection.rdp'));
  assert.deepEqual(open(nobody).owner, nobody);
  assert.deepEqual(found(), [0, 65_534, 0o710]);
  assert.deepEqual(readdirSync(path), []);
  assert.ok(existsSync('/etc/passwd'));
  open(nobody);
  open();
  assert.deepEqual(found(), [0, 65_534, 0o700]);
});

test('no folder is taken that those users could replace', { skip: process.getuid?.() !== 0 }, () => {
  const nobody = { uid: 65_534, gid: 65_534 };
  const open = (path: string) => openMemoryFolder(path, { typeOf: () => TMPFS, owner: nobody });
  symlinkSync(mkdtempSync(join(dir, 'elsewhere-')), join(dir, 'link'));
  assert.throws(() => open(join(dir, 'link')), MemoryFolderUnfit);
  chmodSync(dir, 0o777);
  assert.throws(() => open(join(dir, 'run')), MemoryFolderUnfit);
  chmodSync(dir, 0o1777);
  open(join(dir, 'run'));
  chownSync(dir, nobody.uid, nobody.gid);
  assert.throws(() => open(join(dir, 'run')), MemoryFolderUnfit);
});
