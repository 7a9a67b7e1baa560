import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseValue, type RecordedEvent, Version } from '@thinman/protocol';
import { type Agent, createAgentCommands, type DeviceHistory } from './agent-commands.ts';
import { freePort } from './loopback.ts';
import type { Environment, Finished, Processes, StartOptions } from './processes.ts';
import { recoveryCodeIn } from './recovery.ts';
import { createServerCommands, type Server } from './server-commands.ts';
import { createTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { waitFor } from './wait.ts';

export const ADMIN_PASSWORD = 'an-administrators-password';

/**
 * A whole site on this machine, in one folder: a Primary and a Secondary on the embedded database (or on those given), and thin
 * clients. All are real processes that are reached through their commands alone.
 */
export type Site = {
  readonly folder: string;
  readonly primary: Server;
  readonly secondary: Server;
  /** Both, and those that were added. */
  readonly servers: readonly Server[];
  readonly agents: readonly Agent[];
  /** The wire in front of each server, where the site was made with `wires`. */
  readonly wires: { readonly primary: TcpProxy; readonly secondary: TcpProxy } | undefined;
  readonly history: DeviceHistory;
  /** `thinman-server init` and `start`; gives the line READY. */
  foundPrimary(): Promise<string>;
  /** As `init` printed it. */
  recoveryCode(): string;
  /** `thinman token server` on the Primary, `thinman-server join` and `start`; gives the line READY. */
  joinSecondary(): Promise<string>;
  /** One more Secondary, after the others in the list, on a source of record of its own; it is started. */
  addSecondary(name: string, database: string): Promise<Server>;
  agent(name: string): Agent;
  /** Enrols one more thin client with a token of the Primary. It is not started. `environment`: of its own processes; `startOptions`: of `start`. */
  addAgent(name: string, group: string, environment?: Environment, startOptions?: readonly string[]): Promise<Agent>;
  /** `thinman apply` of this text on the Primary; gives what it printed. */
  apply(yaml: string): Promise<string>;
  /** Waits until nothing is on its way any more: no device and no server has an event that the site lacks. */
  settle(): Promise<void>;
  /** With every wire cut, and mended afterwards, whatever happens. For a site with `wires`. */
  apart(story: () => Promise<unknown>): Promise<void>;
};

export type SiteOptions = {
  readonly folder: string;
  readonly processes: Processes;
  /** Puts a wire before each server that can be cut. */
  readonly wires?: boolean;
  /** URLs of both servers' sources of record; default: the embedded one of the Primary. */
  readonly databases?: Readonly<Record<FirstTwo, string>>;
  /** Machines for them (`network/network.ts`); default: this one. */
  readonly hosts?: Readonly<Record<FirstTwo, ServerHost>>;
};

type FirstTwo = 'primary' | 'secondary';
export type ServerHost = { readonly address: string; readonly command: readonly string[] };

/** Finds places for the two servers. Nothing runs yet. */
export async function createSite(options: SiteOptions): Promise<Site> {
  const { folder, processes, wires: wired = false, databases, hosts } = options;
  const history: DeviceHistory = { logins: [], versions: [] };
  const agents: Agent[] = [];
  const place = async (name: string, host?: ServerHost): Promise<Placed> => {
    const { listen, wire, url } = await findPlace(host?.address, wired);
    const inside: Pick<StartOptions, 'inside'> = host === undefined ? {} : { inside: { command: host.command } };
    const server = createServerCommands(processes, name, join(folder, name), url, inside);
    return { server, wire, inside, args: ['--data', server.data, '--name', name, '--listen', listen, '--url', url] };
  };
  const [first, second] = [await place('primary', hosts?.primary), await place('secondary', hosts?.secondary)];
  const primary = first.server;
  const servers = [primary, second.server];
  const run = (verb: string, { inside, args }: Placed, more: readonly string[], input?: string) => {
    const given = input === undefined ? inside : { ...inside, input };
    return succeed([verb], processes.run('thinman-server', [verb, ...more, ...args], given));
  };
  const joinAs = async (joiner: Placed, database: readonly string[]) => {
    const { name, url } = joiner.server;
    const token = await primary.administer(['token', 'server', '--name', name, '--url', url]);
    await run('join', joiner, [token.trim(), ...database]);
    return joiner.server.start();
  };

  let inputs = 0;
  let printed = '';
  return {
    folder,
    primary,
    secondary: second.server,
    servers,
    agents,
    wires: bothWires(first.wire, second.wire),
    history,
    foundPrimary: async () => {
      const database = databases === undefined ? [] : ['--database', databases.primary];
      printed = await run('init', first, ['--admin-password-stdin', ...database], ADMIN_PASSWORD);
      return primary.start();
    },
    recoveryCode: () => recoveryCodeIn(printed),
    joinSecondary: () =>
      joinAs(
        second,
        databases === undefined
          ? ['--database', `sqlite:${join(primary.data, 'site.db')}`, '--single-host']
          : ['--database', databases.secondary, ...trial(databases.secondary)],
      ),
    addSecondary: async (name, database) => {
      const added = await place(name);
      await joinAs(added, ['--database', database]);
      servers.push(added.server);
      return added.server;
    },
    agent: name => {
      const agent = agents.find(known => known.name === name);
      if (agent === undefined) throw new Error(`there is no thin client "${name}" in this site`);
      return agent;
    },
    addAgent: async (name, group, environment, startOptions) => {
      const token = await primary.administer(['token', 'device', '--group', group]);
      const agent = createAgentCommands(processes, name, join(folder, name), history, environment, startOptions);
      await succeed(['enroll'], agent.enroll(token.trim()));
      agents.push(agent);
      return agent;
    },
    apply: yaml => {
      const input = join(folder, 'input');
      mkdirSync(input, { recursive: true });
      const file = join(input, `${++inputs}.yaml`);
      writeFileSync(file, yaml);
      return primary.administer(['apply', '-f', file]);
    },
    apart: async story => {
      const wires = [first.wire, second.wire].filter(wire => wire !== undefined);
      if (wires.length < 2) throw new Error('this site has no wires');
      await Promise.all(wires.map(wire => wire.cut()));
      try {
        await story();
      } finally {
        await Promise.all(wires.map(wire => wire.mend()));
      }
    },
    settle: async () => {
      for (const agent of agents.filter(known => known.isRunning())) {
        await agent.waitForStatus('to have handed on its events', ({ pendingEvents }) => pendingEvents === 0);
      }
      for (const known of servers.filter(server => server.isRunning()).toReversed()) {
        await known.waitForStatus('to have handed on its events', ({ journalPending }) => journalPending === 0);
      }
    },
  };
}

/** A server, where it is, and what its commands are told about that. */
type Placed = {
  readonly server: Server;
  readonly wire: TcpProxy | undefined;
  readonly inside: Pick<StartOptions, 'inside'>;
  readonly args: readonly string[];
};

/** An SQLite file is taken only for a trial on one machine. */
const trial = (database: string) => (database.startsWith('sqlite:') ? ['--single-host'] : []);

/** Where a server listens, and the wire before it, if there is one. */
async function findPlace(address = '127.0.0.1', wired = false) {
  const port = await freePort();
  const wire = wired ? await createTcpProxy(await freePort(), port) : undefined;
  return { listen: `${address}:${port}`, wire, url: `https://${address}:${wire?.port ?? port}` };
}

function bothWires(primary: TcpProxy | undefined, secondary: TcpProxy | undefined): Site['wires'] {
  return primary !== undefined && secondary !== undefined ? { primary, secondary } : undefined;
}

/** Waits until the site has recorded that this device holds the user's bundle as it is now on the Primary. */
export async function waitUntilApplied(site: Site, agent: Agent, user: string): Promise<RecordedEvent> {
  const { generation } = await site.primary.status();
  return waitFor(`${agent.name} to hold generation ${generation} of the bundle of ${user}`, async () => {
    const events = await site.primary.events();
    return events.find(({ type, origin, user: whose, data }) => {
      const version = parseValue(Version, data.version);
      return (
        [type, origin, whose, data.which].join() === `bundle.applied,device:${agent.name},${user},user` &&
        version.ok &&
        version.value.generation >= generation
      );
    });
  });
}

/** Waits until a person who looks at the device sees it on this server, and it does not take it for dead: logins go there. */
export function waitUntilOn(agent: Agent, server: Server, withinMs?: number) {
  return agent.waitForStatus(
    `to be online on the ${server.name}`,
    ({ mode, server: current, servers }) =>
      mode === 'online' &&
      current?.name === server.name &&
      servers.some(({ name, state }) => name === server.name && state === 'serving'),
    withinMs,
  );
}

async function succeed(args: readonly string[], finished: Promise<Finished>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  if (code !== 0) throw new Error(`"${args[0]}" ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}
