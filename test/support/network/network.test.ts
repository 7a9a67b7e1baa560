import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runProgram, startProgram } from '../programs.ts';
import { createScratch } from '../scratch.ts';
import { waitFor } from '../wait.ts';
import { createNetwork, type Host, type Network } from './network.ts';

const PORT = 7;
/** An answer comes within a few ms, if it comes. */
const SILENCE_MS = 400;
/** For an answer that has to come, on a busy machine. */
const PATIENCE_MS = 20_000;

const scratch = createScratch('thinman-network-test-');
after(() => scratch[Symbol.asyncDispose]());

function script(name: string, text: string): string {
  const path = join(scratch.folder, `${name}.ts`);
  writeFileSync(path, text);
  return path;
}

/** Prints `answer` if an echo comes back in time. */
const PROBE = script(
  'probe',
  `import { connect } from 'node:net';
  const [, , address, port, withinMs] = process.argv;
  const socket = connect(port, address, () => socket.write('?'));
  const end = text => { process.stdout.write(text); process.exit(); };
  socket.once('data', () => end('answer')).once('error', error => end(error.code));
  setTimeout(() => end('silence'), withinMs);`,
);

/** An echo on each host, and on this one. */
async function startEchoes(network: Network, hosts: readonly Host[]): Promise<AsyncDisposable> {
  const server = createServer(socket => socket.on('error', () => {}).pipe(socket)).listen(PORT, network.outsideAddress);
  await once(server, 'listening');
  for (const host of hosts) {
    startProgram({
      name: `echo-${host.name}`,
      command: ['socat', `TCP-LISTEN:${PORT},fork,reuseaddr`, 'EXEC:cat'],
      logs: scratch.folder,
      inside: host,
    });
    await waitFor(`the echo of ${host.name}`, async () => (await reaches(undefined, host.address)) || undefined);
  }
  return { [Symbol.asyncDispose]: async () => void server.close() };
}

/** Does an answer come from there to a host, or to this process? */
async function reaches(from: Host | undefined, address: string, withinMs = PATIENCE_MS): Promise<boolean> {
  const { stdout } = await scratch.processes.run(
    PROBE,
    [address, String(PORT), String(withinMs)],
    from ? { inside: from } : {},
  );
  return stdout === 'answer';
}

const namespaces = async () =>
  (await runProgram('ip', 'netns', 'list')).split('\n').filter(line => line.startsWith('thinman-'));
const mine = async () => (await namespaces()).filter(line => line.startsWith(`thinman-${process.pid}-`));

for (const slowWires of [false, true]) {
  describe(slowWires ? 'a network with slow wires' : 'a network', () => {
    let network: Network;
    let echoes: AsyncDisposable;
    let client: Host;
    let primary: Host;
    let secondary: Host;
    before(async () => {
      network = await createNetwork(['client', 'primary', 'secondary'], slowWires ? { slowWires } : {});
      [client, primary, secondary] = [network.host('client'), network.host('primary'), network.host('secondary')];
      echoes = await startEchoes(network, [primary, secondary]);
    });
    after(async () => {
      await echoes[Symbol.asyncDispose]();
      await network[Symbol.asyncDispose]();
      assert.deepEqual(await mine(), []);
    });

    it('lets everybody reach everybody, this process too', async () => {
      assert.equal(await reaches(client, primary.address), true);
      assert.equal(await reaches(client, network.outsideAddress), true);
      assert.equal(await reaches(undefined, primary.address), true);
    });

    it('cuts two hosts off from each other, and from nobody else', async () => {
      await network.dropBetween('client', 'primary');
      assert.equal(await reaches(client, primary.address, SILENCE_MS), false);
      assert.equal(await reaches(client, secondary.address), true);
      assert.equal(await reaches(secondary, primary.address), true);
      await network.mendBetween('primary', 'client');
      assert.equal(await reaches(client, primary.address), true);
    });

    it('silences a host without a word to anybody', async () => {
      const socket = connect(PORT, primary.address);
      await once(socket, 'connect');
      await primary.dropPackets();
      assert.equal(await reaches(client, primary.address, SILENCE_MS), false);
      assert.equal(await reaches(undefined, primary.address, SILENCE_MS), false);
      socket.write('still there?');
      await primary.restore();
      const [answer] = await once(socket, 'data');
      assert.equal(String(answer), 'still there?');
      socket.destroy();
      assert.equal(await reaches(client, primary.address), true);
    });

    it('refuses names that it does not know', async () => {
      assert.throws(() => network.host('nobody'), /no host nobody/);
      await assert.rejects(network.dropBetween('client', 'nobody'), /no host nobody/);
    });

    if (slowWires) {
      it('delays what a slow host sends and receives', async () => {
        primary.slowDown({ delayMs: 2 * SILENCE_MS });
        assert.equal(await reaches(client, primary.address, SILENCE_MS), false);
        assert.equal(await reaches(client, primary.address), true);
        assert.equal(await reaches(client, secondary.address), true);
        await primary.restore();
        assert.equal(await reaches(client, primary.address), true);
      });

      it('loses packets', async () => {
        primary.slowDown({ delayMs: 0, lossPercent: 100 });
        assert.equal(await reaches(client, primary.address, SILENCE_MS), false);
        await primary.restore();
        assert.equal(await reaches(client, primary.address), true);
      });
    } else {
      it('cannot slow down', () => assert.throws(() => primary.slowDown({ delayMs: 1 }), /slow wires/));
    }
  });
}

it('runs a process on a host as the one that is signalled', async () => {
  await using network = await createNetwork(['primary']);
  const inside = network.host('primary');
  const program = startProgram({ name: 'sleep', command: ['sleep', 'infinity'], logs: scratch.folder, inside });
  const command = scratch.processes.start('tick', script('tick', 'setInterval(() => {}, 1000)'), [], { inside });
  for (const [running, name] of [
    [program, 'sleep'],
    [command, 'node'],
  ] as const) {
    await waitFor(
      `${name} to run`,
      () => readFileSync(`/proc/${running.pid}/comm`, 'utf8').startsWith(name) || undefined,
    );
  }
});

it('is removed by the next one when its process was killed', async () => {
  const network = JSON.stringify(join(import.meta.dirname, 'network.ts'));
  const path = script(
    'killed',
    `import { createNetwork } from ${network};
    await createNetwork(['primary']);
    console.log('MADE');
    setInterval(() => {}, 1000);`,
  );
  const killed = scratch.processes.start('killed', path, []);
  await killed.waitForLine(/^MADE/);
  await killed.kill();
  const ofKilled = async () => (await namespaces()).filter(name => name.startsWith(`thinman-${killed.pid}-`));
  assert.notDeepEqual(await ofKilled(), []);
  await using _network = await createNetwork(['primary']);
  assert.deepEqual(await ofKilled(), []);
});

it('refuses what is no name of an interface', async () => {
  await assert.rejects(createNetwork(['a-name-that-is-too-long']), /no name for a host/);
  await assert.rejects(createNetwork(['switch']), /no name for a host/);
});
