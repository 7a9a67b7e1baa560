import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Connection, type Endpoint, NoAnswer, Refused } from './connection.ts';
import { type DirectoryConfig, directoryConfig } from './directory-config.ts';
import { tryServers } from './try-directory.ts';

const SECRET = 'canary-bind-password';
const BODY = {
  ...{ type: 'ldap' as const, urls: ['ldaps://one.lab.test', 'ldaps://two.lab.test'], baseDn: 'dc=lab,dc=test' },
  ...{ bindDn: 'cn=service,dc=lab,dc=test' },
};
const clock = { monotonicMs: () => 0, after: () => () => {} };

type Server = Partial<Pick<Connection, 'bind' | 'search'>> | NoAnswer;

/** As Node tells why: by the code of the cause. */
function unreached(code: string): NoAnswer {
  return new NoAnswer(`simulated ${code}`, { cause: Object.assign(new Error(code), { code }) });
}

const entry = { dn: 'uid=alice,dc=lab,dc=test', uid: 'alice' };
async function looked(server: Server, config: DirectoryConfig = directoryConfig('lab', BODY, SECRET)) {
  const good: Pick<Connection, 'bind' | 'search'> = {
    bind: async () => ({ kind: 'bound', policy: {} as never }),
    search: async () => [entry],
  };
  const open = async ({ url }: Endpoint): Promise<Connection> => {
    if (server instanceof NoAnswer && url.includes('one')) throw server;
    const its = url.includes('one') && !(server instanceof NoAnswer) ? { ...good, ...server } : good;
    return {
      ...its,
      isOpen: true,
      isBound: true,
      heardAtMs: 0,
      modify: async () => {},
      extended: async () => {},
      close() {},
    };
  };
  const findings = await tryServers(config, { clock, open });
  assert.ok(!JSON.stringify(findings).includes(SECRET), 'the password of the service account is in no finding');
  return findings;
}

const ofFirst = async (server: Server) => {
  const findings = (await looked(server)).filter(({ url }) => url.includes('one'));
  return findings.map(({ step, level }) => `${step} ${level}`);
};
const said = async (server: Server) => {
  const failed = (await looked(server)).find(({ level }) => level === 'fail');
  return `${failed?.found} → ${failed?.do}`;
};

describe('a look at the servers of a directory', () => {
  test('is step by step for each of them, whatever is wrong with the others', async () => {
    const findings = await looked(unreached('ECONNREFUSED'));
    assert.deepEqual(
      findings.map(({ url, step, level }) => `${new URL(url).hostname} ${step} ${level}`),
      [
        'one.lab.test reach fail',
        ...['reach', 'service account', 'base DN', 'user filter'].map(step => `two.lab.test ${step} ok`),
      ],
    );
    assert.deepEqual(await ofFirst({}), ['reach ok', 'service account ok', 'base DN ok', 'user filter ok']);
  });

  test('says what to do by what is wrong: the name, the CA, the port, silence', async () => {
    assert.match(await said(unreached('ERR_TLS_CERT_ALTNAME_INVALID')), /tlsServerName/);
    assert.match(await said(unreached('UNABLE_TO_GET_ISSUER_CERT_LOCALLY')), /into ca$/);
    assert.match(await said(unreached('ECONNREFUSED')), /port/);
    assert.match(await said(unreached('ENOTFOUND')), /DNS/);
    assert.match(await said(new NoAnswer('no answer within 5000 ms', { silent: true })), /silent/);
    assert.match(await said(unreached('SOMETHING_NEW')), /its own log/);
  });

  test('ends at the step that fails', async () => {
    const refused = { kind: 'refused', code: 49, diagnostic: 'data 52e', policy: {} as never } as const;
    assert.deepEqual(await ofFirst({ bind: async () => refused }), ['reach ok', 'service account fail']);
    assert.match(await said({ bind: async () => refused }), /data 52e \(LDAP 49\) → check bindDn and bindPassword/);
    const missing = { search: () => Promise.reject(new Refused(32, 'no such object')) };
    assert.deepEqual(await ofFirst(missing), ['reach ok', 'service account ok', 'base DN fail']);
    const elsewhere = { search: () => Promise.reject(new Refused(10, '')) };
    assert.match(await said(elsewhere), /lies on another server.* → check baseDn/);
    const nobody: Server = { search: async ({ scope }) => (scope === 'base' ? [entry] : []) };
    assert.deepEqual((await ofFirst(nobody)).at(-1), 'user filter fail');
    const cut = { search: () => Promise.reject(new NoAnswer('the connection was closed')) };
    assert.equal((await ofFirst(cut)).at(-1), 'user filter fail');
    // It may search there, and not read the base itself.
    const searches: Server = {
      search: async ({ scope }) => (scope === 'base' ? Promise.reject(new Refused(32, '')) : [entry]),
    };
    assert.deepEqual((await ofFirst(searches)).slice(-2), ['base DN ok', 'user filter ok']);
  });

  test('looks for anybody by the filter, with no name in it', async () => {
    const filters: string[] = [];
    const search: Connection['search'] = async ({ filter }) => {
      if (filter !== undefined) filters.push(filter.toString());
      return [entry];
    };
    const config = directoryConfig(
      'lab',
      { ...BODY, userFilter: '(&(objectClass=person)(|(uid={user})(mail={upn})))' },
      SECRET,
    );
    const open = async () => ({
      ...({} as Connection),
      bind: async () => ({ kind: 'bound' as const, policy: {} as never }),
      search,
      close() {},
    });
    await tryServers(config, { clock, open });
    assert.deepEqual(new Set(filters), new Set(['(&(objectClass=person)(|(uid=*)(mail=*)))']));
  });

  test('says that passwords cross the network in clear, and that there is no service account', async () => {
    const { bindDn: _none, ...body } = BODY;
    const findings = await looked({}, directoryConfig('lab', { ...body, urls: ['ldap://one.lab.test'] }, undefined));
    assert.deepEqual(
      findings.map(({ step, level }) => `${step} ${level}`),
      ['reach warn', 'service account ok', 'base DN ok', 'user filter ok'],
    );
    const ad = directoryConfig('lab', { ...body, type: 'activeDirectory' }, undefined);
    const search = () => Promise.reject(new Refused(1, 'a successful bind must be completed'));
    const open = async () => ({ ...({} as Connection), search, close() {} });
    assert.ok(
      (await tryServers(ad, { clock, open })).every(({ level }) => level === 'ok'),
      'nothing is asked of it',
    );
  });
});
