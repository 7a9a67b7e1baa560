import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Daemon } from '../support/daemon.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import type { DatabasePair } from '../support/databases/replication.ts';
import type { SmallDisk } from '../support/disk.ts';
import { scribble } from '../support/disk-damage.ts';
import { fillUp } from '../support/full-disk.ts';
import type { Server } from '../support/server-commands.ts';
import type { Site } from '../support/site.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import type { Dice } from './dice.ts';

/** Something that fails for a while, of the fault table of failover.md. */
export type Fault = {
  readonly name: string;
  /** What it befalls: one fault at a time for each. */
  readonly victims: readonly string[];
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
};

const REPLICATION_WEIGHT = 3;

/** What a site stands on. */
export type Grounds = {
  readonly database?: DatabaseServer;
  readonly pair?: DatabasePair;
  /** Of the servers' data folders; undefined: they have none of their own here. */
  readonly disks?: { readonly primary: SmallDisk; readonly secondary: SmallDisk };
};

/** All that can fail on these grounds. */
export function faultsOf(site: Site, { database, pair, disks }: Grounds, dice: Dice): readonly Fault[] {
  const { primary, secondary, wires, agents } = site;
  const both = [...ofServer('the Primary', primary), ...ofServer('the Secondary', secondary)];
  const everything: Fault = {
    name: 'both servers are killed',
    victims: ['the Primary', 'the Secondary'],
    begin: () => Promise.all([primary.kill(), secondary.kill()]),
    end: () => Promise.all([primary.start(), secondary.start()]),
  };
  const cuts =
    wires === undefined
      ? []
      : [...ofWire('the Primary', wires.primary, dice), ...ofWire('the Secondary', wires.secondary, dice)];
  return [
    ...both,
    everything,
    ...cuts,
    ...(disks === undefined
      ? []
      : [ofDisk('the Primary', primary, disks.primary), ofDisk('the Secondary', secondary, disks.secondary)]),
    ...agents.flatMap(agent => killedAndHung(agent.name, agent)),
    ...(database === undefined ? [] : ofDatabase('the database', database)),
    ...(pair === undefined
      ? []
      : [
          ...ofDatabase('the Master', pair.master),
          ...ofDatabase('the Slave', pair.slave),
          // As often as all that can happen to one server: it is what FULL is for.
          ...Array.from({ length: REPLICATION_WEIGHT }, () => ofReplication(pair, primary)).flat(),
        ]),
  ];
}

function ofServer(name: string, server: Server): readonly Fault[] {
  const drained: Fault = {
    name: `${name} is stopped as planned`,
    victims: [name],
    begin: server.stop,
    end: server.start,
  };
  const flaps: Fault = {
    name: `${name} comes back and dies again`,
    victims: [name],
    begin: async () => {
      await server.kill();
      await server.start();
      await server.kill();
    },
    end: server.start,
  };
  const damaged: Fault = {
    name: `${name} is killed, and its replica is garbage`,
    victims: [name],
    begin: async () => {
      await server.kill();
      scribble(join(server.data, 'replica.db'));
    },
    end: server.start,
  };
  return [...killedAndHung(name, server), drained, flaps, damaged];
}

/** What a server gives up of its reserve is taken as well, this often. */
const FILL_EVERY_MS = 200;

/** Nothing else befalls the server meanwhile: who starts on a disk without any room says so, and ends. */
function ofDisk(name: string, server: Server, disk: SmallDisk): Fault {
  let filling: NodeJS.Timeout | undefined;
  return {
    name: `the disk of ${name} is full`,
    victims: [name],
    async begin() {
      fillUp(server, disk);
      filling = setInterval(() => fillUp(server, disk), FILL_EVERY_MS);
    },
    async end() {
      clearInterval(filling);
      disk.free();
    },
  };
}

function killedAndHung(name: string, { kill, start, freeze, thaw }: Daemon): readonly Fault[] {
  return [
    { name: `${name} is killed`, victims: [name], begin: kill, end: start },
    { name: `${name} hangs`, victims: [name], begin: freeze, end: async () => thaw() },
  ];
}

function ofDatabase(name: string, { kill, restart, freeze, thaw }: DatabaseServer): readonly Fault[] {
  return [
    { name: `${name} is killed`, victims: [name], begin: kill, end: restart },
    { name: `${name} hangs`, victims: [name], begin: freeze, end: async () => thaw() },
  ];
}

/** What administrators write in between, the Secondary has not heard of when the Primary dies. */
const UNHEARD_MS = 3_000;

function ofReplication({ breakReplication, mendReplication }: DatabasePair, primary: Daemon): readonly Fault[] {
  const databases = ['the Master', 'the Slave'];
  const stops = { begin: () => breakReplication(), end: mendReplication };
  return [
    { name: 'replication stops', victims: databases, ...stops },
    {
      name: 'replication stops, then the Primary is killed',
      victims: [...databases, 'the Primary'],
      begin: async () => {
        await breakReplication();
        await delay(UNHEARD_MS);
        await primary.kill();
      },
      end: () => Promise.all([mendReplication(), primary.start()]),
    },
  ];
}

/** Row 4 of the fault table: 300 ms ± 200 there and back. */
const SLOW_MS = [50, 250] as const;

function ofWire(name: string, wire: TcpProxy, dice: Dice): readonly Fault[] {
  const victims = [`the wire of ${name}`];
  return [
    { name: `nobody reaches ${name}`, victims, begin: async () => wire.cut(), end: async () => wire.mend() },
    {
      name: `the line to ${name} is slow`,
      victims,
      begin: async () => wire.slow(() => dice.between(...SLOW_MS)),
      end: async () => wire.slow(),
    },
  ];
}
