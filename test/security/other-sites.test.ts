import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AdminLoginAnswer, decodeToken, encodeToken, type TokenContent } from '@thinman/protocol';
import Type from 'typebox';
import { connect } from '../../packages/server/src/cli/thinman/admin-client.ts';
import { RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { JoinDenied } from '../../packages/server/src/setup/errors.ts';
import { joinSite } from '../../packages/server/src/setup/join-site.ts';
import { freePort } from '../support/loopback.ts';
import { type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';

let ours: SiteInProcess;
let theirs: SiteInProcess;
before(async () => {
  [ours, theirs] = [await siteInProcess(), await siteInProcess()];
});
after(async () => {
  await ours.close();
  await theirs.close();
});

function contentOf(token: string): TokenContent {
  const decoded = decodeToken(token);
  assert.ok(decoded.ok);
  return decoded.content;
}

/** Leads to our site, with the secret of theirs: as a forger makes it who has one token of each. */
const crossed = (our: string, their: string) => encodeToken({ ...contentOf(our), secret: contentOf(their).secret });

describe('a token of another site', () => {
  test('for devices enrols nobody here', async () => {
    const [our, their] = [await ours.token({ for: 'device' }), await theirs.token({ for: 'device' })];
    const refused = await ours.tryToEnrol('crossed', crossed(our, their));
    assert.ok(!refused.ok);
    assert.deepEqual([refused.why, refused.code], ['refused', 'token_invalid']);
  });

  test('with our addresses in it is sent nothing: the pin is of another CA', async () => {
    const [our, their] = [await ours.token({ for: 'device' }), await theirs.token({ for: 'device' })];
    const led = encodeToken({ ...contentOf(their), urls: contentOf(our).urls });
    const refused = await ours.tryToEnrol('led-away', led);
    assert.equal(refused.ok || refused.why, 'pin_mismatch');
  });

  test('for servers joins nobody here', async () => {
    const port = await freePort();
    const url = `https://127.0.0.1:${port}`;
    const request = { for: 'server', name: 'secondary', url } as const;
    const token = crossed(await ours.token(request), await theirs.token(request));
    const joining = joinSite({
      ...{ token, dataDir: join(ours.root, 'crossed-server'), name: 'secondary', listen: `127.0.0.1:${port}`, url },
      ...{ database: `sqlite:${join(ours.primary.dir, 'site.db')}`, singleHost: true },
    });
    await assert.rejects(joining, error => error instanceof JoinDenied && /token/.test(error.message));
  });

  test('for a device is none for a server, and the other way round', async () => {
    const url = 'https://127.0.0.1:1';
    const server = await ours.token({ for: 'server', name: 'tc-9', url });
    const posing = encodeToken({ ...contentOf(server), for: 'device' });
    const refused = await ours.tryToEnrol('posing', posing);
    assert.equal(refused.ok || refused.code, 'token_invalid');
    const device = encodeToken({ ...contentOf(await ours.token({ for: 'device' })), for: 'server' });
    const dataDir = join(ours.root, 'posing-server');
    const joining = joinSite({
      ...{ token: device, dataDir, name: 'tc-9', listen: '127.0.0.1:1', url },
      ...{ database: `sqlite:${join(ours.primary.dir, 'site.db')}`, singleHost: true },
    });
    await assert.rejects(joining, JoinDenied);
  });
});

test('an administrator’s session is worth nothing at another site, nor at another server of the same one', async () => {
  const secondary = await ours.joinSecondary();
  const body = { user: 'chief', password: 'an-administrators-password' };
  for (const site of [ours, theirs]) {
    await site.apply({ kind: 'Administrator', name: body.user, body: { role: 'owner', password: body.password } });
  }
  await secondary.ask(Type.Unknown(), '/status');
  const ca = ours.primary.read('ca.crt');
  const network = (url: string, cas: string, token?: string) =>
    connect({ kind: 'network', url, ca: [cas], ...(token !== undefined && { token }) });
  const login = network(ours.primary.url, ca);
  const { token } = await login.ask(AdminLoginAnswer, { method: 'POST', path: '/login', body });
  await login.close();
  const ask = async (url: string, cas: string) => {
    const client = network(url, cas, token);
    try {
      return await client.ask(Type.Unknown(), { path: '/status' });
    } finally {
      await client.close();
    }
  };
  assert.ok(await ask(ours.primary.url, ca));
  for (const [url, cas] of [
    [secondary.url, ca],
    [theirs.primary.url, theirs.primary.read('ca.crt')],
  ] as const) {
    await assert.rejects(
      ask(url, cas),
      error => error instanceof RefusedByServer && error.problem.code === 'unauthorized',
    );
  }
});
