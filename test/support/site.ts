import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseValue, type RecordedEvent, Version } from '@thinman/protocol';
import { type Agent, createAgentCommands, type DeviceHistory } from './agent-commands.ts';
import { freePort } from './loopback.ts';
import type { Environment, Finished, Processes } from './processes.ts';
import { createServerCommands, type Server } from './server-commands.ts';
import { createTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { waitFor } from './wait.ts';

export const ADMIN_PASSWORD = 'an-administrators-password';

/**
 * A whole site on this machine, in one folder: a Primary and a Secondary on the embedded database, and thin clients. All are
 * real processes that are reached through their commands alone.
 */
export type Site = {
  readonly folder: string;
  readonly primary: Server;
  readonly secondary: Server;
  readonly agents: readonly Agent[];
  /** The wire in front of each server, where the site was made with `wires`. */
  readonly wires: { readonly primary: TcpProxy; readonly secondary: TcpProxy } | undefined;
  readonly history: DeviceHistory;
  /** `thinman-server init` and `start`; gives the line READY. */
  foundPrimary(): Promise<string>;
  /** `thinman token server` on the Primary, `thinman-server join` and `start`; gives the line READY. */
  joinSecondary(): Promise<string>;
  agent(name: string): Agent;
  /** Enrols one more thin client with a token of the Primary. It is not started. `environment`: of its own processes. */
  addAgent(name: string, group: string, environment?: Environment): Promise<Agent>;
  /** `thinman apply` of this text on the Primary; gives what it printed. */
  apply(yaml: string): Promise<string>;
  /** Waits until nothing is on its way any more: no device and no server has an event that the site lacks. */
  settle(): Promise<void>;
};

export type SiteOptions = {
  readonly folder: string;
  readonly processes: Processes;
  /** Puts a wire before each server that can be cut. */
  readonly wires?: boolean;
};

/** Finds places for the two servers. Nothing runs yet. */
export async function createSite({ folder, processes, wires: wired = false }: SiteOptions): Promise<Site> {
  const history: DeviceHistory = { logins: [], versions: [] };
  const agents: Agent[] = [];
  const places = { primary: await findPlace(wired), secondary: await findPlace(wired) };
  const server = (name: keyof typeof places) =>
    createServerCommands(processes, name, join(folder, name), places[name].url);
  const primary = server('primary');
  const secondary = server('secondary');
  const serverArgs = ({ name, data, url }: Server, { listen }: Place) => [
    ...['--data', data, '--name', name],
    ...['--listen', `127.0.0.1:${listen}`, '--url', url],
  ];

  let inputs = 0;
  return {
    folder,
    primary,
    secondary,
    agents,
    wires: bothWires(places.primary.wire, places.secondary.wire),
    history,
    foundPrimary: async () => {
      const args = ['init', ...serverArgs(primary, places.primary), '--admin-password-stdin'];
      await succeed(args, processes.run('thinman-server', args, { input: ADMIN_PASSWORD }));
      return primary.start();
    },
    joinSecondary: async () => {
      const token = await primary.administer(['token', 'server', '--name', secondary.name, '--url', secondary.url]);
      const database = ['--database', `sqlite:${join(primary.data, 'site.db')}`, '--single-host'];
      const args = ['join', token.trim(), ...serverArgs(secondary, places.secondary), ...database];
      await succeed(args, processes.run('thinman-server', args));
      return secondary.start();
    },
    agent: name => {
      const agent = agents.find(known => known.name === name);
      if (agent === undefined) throw new Error(`there is no thin client "${name}" in this site`);
      return agent;
    },
    addAgent: async (name, group, environment) => {
      const token = await primary.administer(['token', 'device', '--group', group]);
      const agent = createAgentCommands(processes, name, join(folder, name), history, environment);
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
    settle: async () => {
      for (const agent of agents.filter(known => known.isRunning())) {
        await agent.waitForStatus('to have handed on its events', ({ pendingEvents }) => pendingEvents === 0);
      }
      for (const known of [secondary, primary]) {
        await known.waitForStatus('to have handed on its events', ({ journalPending }) => journalPending === 0);
      }
    },
  };
}

/** Where a server listens, and the wire before it, if there is one. */
type Place = { readonly listen: number; readonly wire: TcpProxy | undefined; readonly url: string };

async function findPlace(wired: boolean): Promise<Place> {
  const listen = await freePort();
  const wire = wired ? await createTcpProxy(await freePort(), listen) : undefined;
  return { listen, wire, url: `https://127.0.0.1:${wire?.port ?? listen}` };
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

/** Waits until a person who looks at the device sees it on this server. */
export function waitUntilOn(agent: Agent, server: Server, withinMs?: number) {
  return agent.waitForStatus(
    `to be online on the ${server.name}`,
    status => status.mode === 'online' && status.server?.name === server.name,
    withinMs,
  );
}

async function succeed(args: readonly string[], finished: Promise<Finished>): Promise<void> {
  const { code, stdout, stderr } = await finished;
  if (code !== 0) throw new Error(`"${args[0]}" ended with ${code}: ${stderr}${stdout}`);
}
