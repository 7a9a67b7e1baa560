import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { parseMysqlUrl } from './address.ts';

const parse = (url: string) => parseMysqlUrl(url, path => resolve('/data', path));
const addressOf = (url: string) => {
  const parsed = parse(url);
  assert.ok(parsed.kind === 'address', parsed.kind === 'wrong' ? parsed.why : '');
  return parsed.address;
};

describe('the URL of an external database', () => {
  it('names account, host and database; a password may have any character', () => {
    assert.deepEqual(addressOf('mysql://thin%40man:p%40ss%2Fw%3Ard%25@127.0.0.1:3307/site-1'), {
      ...{ user: 'thin@man', password: 'p@ss/w:rd%', host: '127.0.0.1', port: 3307, database: 'site-1' },
      ...{ passwordFile: undefined, tls: undefined },
    });
    assert.equal(addressOf('mariadb://u@localhost/x').port, 3306);
    assert.equal(addressOf('mysql://u@[::1]:3306/x').host, '::1');
  });

  it('names files from where relative paths begin, and holds them absolute', () => {
    const text = 'mysql://u@db.example.org/x?password-file=pw&ssl-ca=ca.pem&ssl-cert=c.pem&ssl-key=%2Fkeys%2Fk.pem';
    const address = addressOf(text);
    assert.equal(address.passwordFile, '/data/pw');
    const files = { caFile: '/data/ca.pem', certFile: '/data/c.pem', keyFile: '/keys/k.pem' };
    assert.deepEqual(address.tls, { ...files, serverName: 'db.example.org' });
    const parsed = parse(text);
    assert.ok(parsed.kind === 'address');
    assert.deepEqual(addressOf(parsed.url), address);
  });

  it('has TLS wherever a network lies between, unless somebody says that it need not', () => {
    assert.equal(addressOf('mysql://u@10.0.0.7/x?ssl=off').tls, undefined);
    assert.equal(addressOf('mysql://u@10.0.0.7/x?ssl-ca=c&ssl-name=db.lan').tls?.serverName, 'db.lan');
    for (const host of ['10.0.0.7', 'db', '127.0.0.1.example.org', '[2001:db8::1]']) {
      const parsed = parse(`mysql://u:hunter2@${host}/x`);
      assert.ok(parsed.kind === 'wrong' && /needs TLS/.test(parsed.why), host);
    }
  });

  it('says what is wrong with it, and never shows a password', () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['mysql://u:hunter2@127.0.0.1/', /NAME/],
      ['mysql://u:hunter2@127.0.0.1/a/b', /NAME/],
      ['mysql://u:hunter2@127.0.0.1/a`b', /NAME/],
      ['mysql://:hunter2@127.0.0.1/x', /USER/],
      ['mysql:///x', /HOST/],
      ['mysql://u:hunter2#@127.0.0.1/x', /%23/],
      ['mysql://u:hunter2%@127.0.0.1/x', /%25/],
      ['mysql://u:hunter2@127.0.0.1:99999/x', /mysql:\/\/USER/],
      ['mysql://u:hunter2@127.0.0.1/x?tls=on', /knows no tls/],
      ['mysql://u:hunter2@127.0.0.1/x?ssl=on', /ssl-ca=FILE/],
      ['mysql://u:hunter2@127.0.0.1/x?ssl=off&ssl-ca=c', /one of them/],
      ['mysql://u:hunter2@127.0.0.1/x?ssl-ca=a&ssl-ca=b', /twice/],
      ['mysql://u:hunter2@127.0.0.1/x?ssl-ca=', /names no file/],
      ['mysql://u:hunter2@127.0.0.1/x?ssl-cert=a&ssl-key=b', /needs ssl-ca/],
      ['mysql://u:hunter2@127.0.0.1/x?ssl-ca=a&ssl-key=b', /together/],
      ['mysql://u:hunter2@127.0.0.1/x?password-file=p', /one of them/],
    ];
    for (const [url, why] of wrong) {
      const parsed = parse(url);
      assert.ok(parsed.kind === 'wrong', url);
      assert.match(parsed.why, why, url);
      assert.ok(!parsed.why.includes('hunter2'), url);
    }
  });
});
