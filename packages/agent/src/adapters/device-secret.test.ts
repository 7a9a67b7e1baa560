import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { fakeCreds } from '../../../../test/support/fake-creds.ts';
import { type DeviceSecret, deviceSecret, type SecretSettings } from './device-secret.ts';
import { type Creds, systemdCreds } from './systemd-creds.ts';

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef');
const REAL = '/usr/bin/systemd-creds';

let folder: string;
let fake: ReturnType<typeof fakeCreds>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-secret-'));
  fake = fakeCreds(join(folder, 'bin'));
  writeFileSync(join(folder, 'device.secret'), SECRET, { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true }));

const isThere = (file: string) => existsSync(join(folder, file));
const secrets = () =>
  ['device.secret', 'device.secret.sealed', 'device.secret.refused', 'device.secret.moved'].filter(isThere);

/** One start of an agent. */
function start(settings?: SecretSettings, creds: Creds = systemdCreds(fake.command)) {
  const secret: DeviceSecret = deviceSecret(folder, creds);
  const before = secret.read();
  const state = secret.settle(settings);
  assert.deepEqual(secret.read(), before, 'what was read at first is what holds');
  return { ...state, secret: before };
}

describe('a secret in a file', () => {
  test('stays where it is while nobody says otherwise', () => {
    assert.deepEqual(start(), { kept: 'file', secret: SECRET });
    assert.deepEqual(secrets(), ['device.secret']);
  });

  test('is sealed as the settings say, at the next start, and is the same', () => {
    assert.deepEqual(start({ seal: 'tpm2' }), { kept: 'tpm2', secret: SECRET });
    assert.deepEqual(secrets(), ['device.secret.sealed']);
    assert.equal(statSync(join(folder, 'device.secret.sealed')).mode & 0o777, 0o600);
    assert.deepEqual(start({ seal: 'tpm2' }), { kept: 'tpm2', secret: SECRET });
    assert.deepEqual(start(), { kept: 'tpm2', secret: SECRET }, 'and stays so');
  });

  test('is sealed by itself where there is a TPM, and stays where there is none', () => {
    fake.setTpm(null);
    assert.deepEqual(start({ seal: 'auto' }), { kept: 'file', secret: SECRET });
    fake.setTpm('tpm-1');
    assert.deepEqual(start({ seal: 'auto' }), { kept: 'tpm2', secret: SECRET });
  });

  test('stays there, and that is told, where it cannot be sealed', () => {
    fake.setTpm(null);
    const { kept, trouble, secret } = start({ seal: 'tpm2' });
    assert.deepEqual([kept, secret, secrets()], ['file', SECRET, ['device.secret']]);
    assert.match(trouble ?? '', /cannot be sealed by tpm2 \(TPM2 support not installed.*systemd-creds has-tpm2/);
    assert.match(start({ seal: 'tpm2' }, systemdCreds('/no/such')).trouble ?? '', /\/no\/such is not installed/);
  });

  test('does not go before what was sealed has been seen to open', () => {
    const real = systemdCreds(fake.command);
    const liar: Creds = { ...real, open: () => ({ ok: true, value: Buffer.alloc(SECRET.length) }) };
    const { kept, trouble } = start({ seal: 'tpm2' }, liar);
    assert.deepEqual([kept, secrets()], ['file', ['device.secret']]);
    assert.match(trouble ?? '', /gives back something else/);
  });

  test('is moved again when the power went in between', () => {
    start({ seal: 'tpm2' });
    writeFileSync(join(folder, 'device.secret'), SECRET);
    assert.deepEqual(start({ seal: 'tpm2' }), { kept: 'tpm2', secret: SECRET });
    assert.deepEqual(secrets(), ['device.secret.sealed']);
  });
});

/** The power goes before this change of the disk, the `at`th of its kind in a start. False: there are fewer. */
function cut(change: 'renameSync' | 'unlinkSync' | 'fsyncSync', at: number, settings: SecretSettings): boolean {
  const real = fs[change] as (...given: unknown[]) => void;
  let left = at;
  const mocked = mock.method(fs, change, (...given: unknown[]) => {
    if (left-- <= 0) throw new Error('the power is gone');
    real(...given);
  });
  syncBuiltinESMExports();
  try {
    start(settings);
    return false;
  } catch (error) {
    assert.match(String(error), /the power is gone/);
    return true;
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
}

test('a move that the power cuts short, wherever it was, leaves the secret that it found', () => {
  let cuts = 0;
  for (const change of ['renameSync', 'unlinkSync', 'fsyncSync'] as const) {
    for (let at = 0; ; at++) {
      const wasCut = cut(change, at, { seal: 'tpm2' });
      assert.deepEqual(start({ seal: 'tpm2' }), { kept: 'tpm2', secret: SECRET }, `${change} ${at}`);
      assert.deepEqual(secrets(), ['device.secret.sealed'], 'and nothing else');
      assert.deepEqual(start({ seal: 'file' }), { kept: 'file', secret: SECRET });
      if (!wasCut) break;
      cuts += 1;
    }
  }
  assert.ok(cuts >= 6, `${cuts} cuts`);
});

/** What changes a folder. */
const WRITES = ['openSync', 'writeFileSync', 'writeSync', 'fsyncSync', 'renameSync', 'unlinkSync'] as const;

/** Whether `work` was killed: from its n-th write on nothing reaches the disk. */
function killedAt(nth: number, work: () => unknown): boolean {
  let passed = 0;
  const mocked = WRITES.map(name => {
    const real = Reflect.get(fs, name) as (...args: unknown[]) => unknown;
    return mock.method(fs, name, (...args: unknown[]) => {
      passed += 1;
      if (passed >= nth) throw new Error('killed');
      return real(...args);
    });
  });
  syncBuiltinESMExports();
  try {
    work();
  } catch {
    // It tidies up behind an error as no killed one could; that does not reach the disk either.
  } finally {
    for (const { mock: one } of mocked) one.restore();
    syncBuiltinESMExports();
  }
  return passed >= nth;
}

test('a secret that is being sealed is whole, and is the same one, wherever the agent is killed', () => {
  const content = () => readdirSync(folder).filter(name => name.startsWith('device.'));
  let points = 0;
  while (killedAt(points + 1, () => start({ seal: 'tpm2' }))) {
    points += 1;
    assert.deepEqual(start({ seal: 'tpm2' }), { kept: 'tpm2', secret: SECRET }, `killed at write ${points}`);
    assert.deepEqual(content(), ['device.secret.sealed'], `killed at write ${points}`);
    for (const name of content()) rmSync(join(folder, name));
    writeFileSync(join(folder, 'device.secret'), SECRET, { mode: 0o600 });
  }
  assert.ok(points > 8, `${points}`);
});

describe('a sealed secret', () => {
  beforeEach(() => start({ seal: 'tpm2' }));

  test('goes back into a file, or under another seal', () => {
    assert.deepEqual(start({ seal: 'host' }), { kept: 'host', secret: SECRET });
    assert.deepEqual(start({ seal: 'file' }), { kept: 'file', secret: SECRET });
    assert.deepEqual(secrets(), ['device.secret']);
  });

  test('that the TPM does not give back is waited for: another holds until then, and nothing is thrown away', () => {
    fake.setTpm('another-tpm');
    for (const seal of ['tpm2', 'file', 'auto'] as const) {
      const { kept, isRefused, trouble, secret } = start({ seal });
      assert.deepEqual([kept, isRefused, secrets()], ['tpm2', true, ['device.secret.sealed']]);
      assert.match(trouble ?? '', /Failed to unseal.*TPM cleared.*ifRefused/);
      assert.equal(secret?.length, SECRET.length);
      assert.notDeepEqual(secret, SECRET);
    }
    fake.setTpm('tpm-1');
    assert.deepEqual(start({ seal: 'tpm2' }), { kept: 'tpm2', secret: SECRET }, 'the disk is back in its machine');
  });

  test('that the TPM does not give back makes room for a new one, where the settings say so', () => {
    fake.setTpm('another-tpm');
    const renewed = start({ seal: 'tpm2', ifRefused: 'renew' });
    assert.deepEqual([renewed.kept, renewed.isRenewed, renewed.isRefused], ['tpm2', true, undefined]);
    assert.match(renewed.trouble ?? '', /a new one was made/);
    assert.deepEqual(secrets(), ['device.secret.sealed', 'device.secret.refused']);
    assert.deepEqual(
      start({ seal: 'tpm2', ifRefused: 'renew' }),
      { kept: 'tpm2', secret: renewed.secret },
      'told once',
    );
  });

  test('that makes room is there for those who look into it, wherever the power goes, and so is the one that is told of', () => {
    const before = readFileSync(join(folder, 'device.secret.sealed'));
    for (const seal of ['tpm2', 'file'] as const) {
      for (let at = 1; ; at++) {
        for (const name of secrets()) rmSync(join(folder, name));
        writeFileSync(join(folder, 'device.secret.sealed'), before);
        fake.setTpm('another-tpm');
        const wasKilled = killedAt(at, () => start({ seal, ifRefused: 'renew' }));
        start({ seal, ifRefused: 'renew' });
        const { kept, trouble } = start({ seal, ifRefused: 'renew' });
        assert.deepEqual([kept, trouble], [seal, undefined], `${seal}, killed at write ${at}`);
        assert.deepEqual(readFileSync(join(folder, 'device.secret.refused')), before, `${seal}, killed at write ${at}`);
        if (!wasKilled) break;
      }
    }
  });

  test('whose file is no file, or far too large, is like one that is refused', () => {
    const sealed = join(folder, 'device.secret.sealed');
    for (const damage of [
      () => mkdirSync(sealed),
      () => spawnSync('mkfifo', [sealed]),
      () => writeFileSync(sealed, Buffer.alloc(2 ** 20)),
    ]) {
      rmSync(sealed, { recursive: true });
      damage();
      assert.match(start({ seal: 'tpm2' }).trouble ?? '', /damaged/);
    }
    rmSync(sealed);
    spawnSync('mkfifo', [sealed]);
    assert.equal(start({ seal: 'tpm2', ifRefused: 'renew' }).isRenewed, true);
    assert.deepEqual(secrets(), ['device.secret.sealed']);
  });

  test('is not replaced by one in a file because the TPM is gone', () => {
    fake.setTpm(null);
    const { isRefused, trouble } = start({ seal: 'tpm2', ifRefused: 'renew' });
    assert.deepEqual([isRefused, secrets()], [true, ['device.secret.sealed']]);
    assert.match(trouble ?? '', /a new one cannot be sealed/);
  });

  test('whose file is damaged is like one that is refused', () => {
    writeFileSync(join(folder, 'device.secret.sealed'), '{"by":');
    const { isRefused, trouble } = start({ seal: 'tpm2' });
    assert.equal(isRefused, true);
    assert.match(trouble ?? '', /damaged/);
  });

  test('makes room for the one of a new enrolment', () => {
    const secret = deviceSecret(folder, systemdCreds(fake.command));
    const other = Buffer.alloc(SECRET.length, 9);
    secret.save(other);
    assert.deepEqual([secret.read(), secrets()], [other, ['device.secret']]);
  });

  test('is opened once in a start: a TPM is slow', () => {
    let times = 0;
    const creds = systemdCreds(fake.command);
    const counting: Creds = {
      ...creds,
      open(sealed) {
        times += 1;
        return creds.open(sealed);
      },
    };
    const secret = deviceSecret(folder, counting);
    for (let n = 0; n < 5; n++) secret.read();
    secret.settle({ seal: 'tpm2' });
    assert.equal(times, 1);
  });
});

test('a program that hangs has one time for the whole start, whatever is asked of it', () => {
  const hung = join(folder, 'hung');
  writeFileSync(hung, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
  const creds = systemdCreds(hung, 200);
  const beganMs = performance.now();
  assert.equal(creds.hasTpm(), false);
  for (const asked of [creds.open('sealed'), creds.seal(SECRET, 'tpm2'), creds.open('sealed')]) {
    assert.deepEqual(asked, { ok: false, why: `${hung} gave no answer` });
  }
  assert.ok(performance.now() - beganMs < 10_000, 'four times would be as long as a person waits');
  assert.deepEqual(systemdCreds(fake.command).hasTpm(), true, 'another start has its own');
});

test('what a program says that refuses before it has read anything is told', () => {
  const hasty = join(folder, 'hasty');
  writeFileSync(hasty, '#!/bin/sh\necho "no TPM here" >&2\nexit 1\n', { mode: 0o755 });
  // More than a pipe holds: it cannot be written to the end.
  assert.deepEqual(systemdCreds(hasty).seal(Buffer.alloc(2 ** 20), 'tpm2'), { ok: false, why: 'no TPM here' });
});

test('with the systemd-creds of Debian, by the key of the host', {
  skip: existsSync(REAL) ? false : `no ${REAL}`,
}, () => {
  const before = process.env['SYSTEMD_CREDENTIAL_SECRET'];
  process.env['SYSTEMD_CREDENTIAL_SECRET'] = join(folder, 'host.key');
  try {
    const creds = systemdCreds(REAL);
    assert.deepEqual(start({ seal: 'host' }, creds), { kept: 'host', secret: SECRET });
    const sealed = readFileSync(join(folder, 'device.secret.sealed'));
    assert.equal(sealed.includes(SECRET) || sealed.includes(SECRET.toString('base64')), false);
    assert.deepEqual(start(undefined, creds), { kept: 'host', secret: SECRET });
    process.env['SYSTEMD_CREDENTIAL_SECRET'] = join(folder, 'another-host.key');
    const moved = start(undefined, creds);
    assert.equal(moved.isRefused, true);
    assert.match(moved.trouble ?? '', /host does not give it back \(.+\)/);
  } finally {
    if (before === undefined) delete process.env['SYSTEMD_CREDENTIAL_SECRET'];
    else process.env['SYSTEMD_CREDENTIAL_SECRET'] = before;
  }
});
