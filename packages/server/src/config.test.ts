import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  ConfigError,
  type DataFolder,
  dataFolder,
  hasConfig,
  parseDatabaseUrl,
  parseListen,
  parseServerUrl,
  readConfig,
  writeConfig,
} from './config.ts';

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof ConfigError && pattern.test(error.message) && !error.message.includes('\n');

describe('the configuration of a server', () => {
  let path: string;
  let folder: DataFolder;
  const config = () => ({
    name: 'primary',
    listen: '127.0.0.1:7443',
    url: 'https://127.0.0.1:7443',
    database: `sqlite:${folder.record}`,
    instance: randomUUID(),
    siteId: randomUUID(),
  });

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'thinman-config-'));
    folder = dataFolder(path);
  });
  afterEach(() => rmSync(path, { recursive: true }));

  it('is read back as it was written, by its owner alone', () => {
    const written = config();
    writeConfig(folder, written);
    assert.deepEqual(readConfig(folder), { format: 1, ...written });
    assert.equal(statSync(folder.config).mode & 0o777, 0o600);
  });

  it('is missing in a folder that is none of ours, and the text says how to make one', () => {
    assert.equal(hasConfig(folder), false);
    assert.throws(() => readConfig(folder), refused(/thinman-server init/));
  });

  it('names the field that is wrong', () => {
    writeConfig(folder, config());
    const broken = { ...JSON.parse(readFileSync(folder.config, 'utf8')), siteId: 'no' };
    writeFileSync(folder.config, JSON.stringify(broken));
    assert.throws(() => readConfig(folder), refused(/siteId/));
    writeFileSync(folder.config, '{');
    assert.throws(() => readConfig(folder), refused(/not JSON/));
  });

  it('of a newer version is refused, not guessed at', () => {
    writeFileSync(folder.config, JSON.stringify({ format: 2, shape: 'unknown' }));
    assert.throws(() => readConfig(folder), refused(/newer version/));
  });

  it('cannot lie where no socket can be', () => {
    const deep = join(path, 'x'.repeat(108));
    assert.throws(() => dataFolder(deep), refused(/107/));
  });
});

describe('what the flags may say', () => {
  it('--listen: HOST:PORT', () => {
    assert.deepEqual(parseListen('0.0.0.0:7443'), { host: '0.0.0.0', port: 7443 });
    assert.deepEqual(parseListen('[::1]:0'), { host: '::1', port: 0 });
    for (const bad of ['', '7443', 'host', 'host:', 'host:99999', '::1:7443', '[host]:1', 'https://host:1', 'a b:1']) {
      assert.throws(() => parseListen(bad), refused(/HOST:PORT/), bad);
    }
  });

  it('--url: https, a host, nothing else', () => {
    assert.equal(parseServerUrl('https://thinman.example.org:7443/'), 'https://thinman.example.org:7443');
    for (const bad of [
      '',
      'thinman',
      'http://a',
      'https://a/path',
      'https://u:p@a',
      'https://a?b',
      'https://a#b',
      'https://a:0',
    ]) {
      assert.throws(() => parseServerUrl(bad), refused(/https:\/\//), bad);
    }
    for (const secret of ['https://u:hunter2@a', 'https://u:hunter2@a:99999', 'http://hunter2@a/b']) {
      assert.throws(
        () => parseServerUrl(secret),
        (error: Error) => !error.message.includes('hunter2'),
      );
    }
  });

  it('--database: sqlite:PATH, made absolute', () => {
    assert.deepEqual(parseDatabaseUrl('sqlite:/a/site.db'), {
      kind: 'sqlite',
      url: 'sqlite:/a/site.db',
      path: '/a/site.db',
    });
    assert.equal(parseDatabaseUrl('sqlite:site.db').url, `sqlite:${join(process.cwd(), 'site.db')}`);
    for (const bad of ['', 'sqlite:', 'sqlite://host/x', 'postgres://x', '/a/site.db']) {
      assert.throws(() => parseDatabaseUrl(bad), refused(/sqlite:PATH/), bad);
    }
  });

  it('--database: mysql://, with the files that it names made absolute', () => {
    const named = parseDatabaseUrl('mysql://thinman@db.example.org/thinman?ssl-ca=ca.pem&password-file=/run/password');
    assert.deepEqual(named, {
      kind: 'mysql',
      url: `mysql://thinman@db.example.org/thinman?ssl-ca=${encodeURIComponent(join(process.cwd(), 'ca.pem'))}&password-file=%2Frun%2Fpassword`,
      passwordShown: false,
    });
    const shown = parseDatabaseUrl('mariadb://user:hunter2@127.0.0.1:3307/db');
    assert.deepEqual([shown.kind, 'passwordShown' in shown && shown.passwordShown], ['mysql', true]);
  });

  it('--database: a password in it is never repeated', () => {
    for (const bad of ['mysql://user:hunter2@host/db', 'mysql://user:hunter2@127.0.0.1/', 'mysql://u:hunter2#@::/db']) {
      assert.throws(
        () => parseDatabaseUrl(bad),
        error => refused(/--database/)(error) && !String(error).includes('hunter2'),
        bad,
      );
    }
  });
});
