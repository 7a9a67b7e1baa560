import assert from 'node:assert/strict';
import { expectLogin } from '../support/logins.ts';
import { freePort } from '../support/loopback.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

systemTest('a list of servers that names addresses where nobody is strands no device', {}, async site => {
  const tc1 = site.agent('tc-1');
  const { primary, secondary } = site;
  const listWith = (urls: readonly string[]) =>
    [primary, secondary]
      .map(({ name }, at) => JSON.stringify({ kind: 'Server', name, body: { url: urls[at], order: at } }))
      .join('\n---\n');
  const wrong = [`https://127.0.0.1:${await freePort()}`, `https://127.0.0.1:${await freePort()}`];
  const knows = (urls: readonly string[]) =>
    tc1.waitForStatus(
      `to know the list ${urls}`,
      ({ servers }) => servers.map(({ url }) => url).join() === urls.join(),
    );

  await site.apply(listWith(wrong));
  await knows(wrong);
  await tc1.kill();
  await tc1.start();
  await tc1.waitForStatus('to have found a server where it last was', ({ mode }) => mode === 'online');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  // So the mistake can be mended.
  await site.apply(listWith([primary.url, secondary.url]));
  await knows([primary.url, secondary.url]);
  await tc1.kill();
  assert.match(await tc1.start(), /^READY mode=online/);
  await secondary.waitForStatus('to be on the link again', ({ link }) => link?.connected === true);
});
