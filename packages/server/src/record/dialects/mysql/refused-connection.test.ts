import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { DatabaseUnavailable } from '../../errors.ts';
import { parseMysqlUrl } from './address.ts';
import { mysqlDialect } from './mysql.ts';

/** An error packet as the first word, as MySQL Router and full servers send it. */
function errorPacket(errno: number, message: string): Buffer {
  const body = Buffer.concat([Buffer.from([0xff, errno & 0xff, errno >> 8]), Buffer.from(`#HY000${message}`)]);
  return Buffer.concat([Buffer.from([body.length, 0, 0, 0]), body]);
}

/** What a source of record says that is answered so when it connects. */
async function saidOf(errno: number, message: string): Promise<unknown> {
  const server = createServer(socket => socket.on('error', () => {}).end(errorPacket(errno, message))).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const parsed = parseMysqlUrl(`mysql://thin:secret@127.0.0.1:${port}/thinman`, path => path);
  assert.ok(parsed.kind === 'address');
  const dialect = mysqlDialect(parsed.address, { readOnly: false });
  try {
    return await dialect.snapshot(async () => 'done').catch((error: unknown) => error);
  } finally {
    await dialect.close();
    server.close();
  }
}

for (const [what, errno, message, words] of [
  ['MySQL Router that reaches no member', 2003, "Can't connect to remote MySQL server", /proxy in front .*2003/],
  ['a proxy whose database went away in the middle', 2013, 'Lost connection to MySQL server', /proxy in front .*2013/],
  ['ProxySQL that waits in vain', 9001, 'Max connect timeout reached', /proxy in front .*9001/],
  ['a number that nobody has heard of', 7_777, 'Not today', /refuses the connection: Not today \(7777\)/],
] as const) {
  test(`${what} is a database that cannot be reached`, async () => {
    const error = await saidOf(errno, message);
    assert.ok(error instanceof DatabaseUnavailable, String(error));
    assert.equal(error.trouble, 'unreachable');
    assert.match(error.message, words);
  });
}

test('what has a meaning of its own keeps it', async () => {
  const error = await saidOf(1040, 'Too many connections');
  assert.ok(error instanceof DatabaseUnavailable, String(error));
  assert.equal(error.trouble, 'busy');
});
