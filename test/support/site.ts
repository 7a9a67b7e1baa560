import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Agent, createAgentCommands, type DeviceHistory } from './agent-commands.ts';
import { freePort } from './loopback.ts';
import type { Finished, Processes } from './processes.ts';
import { createServerCommands, type Server } from './server-commands.ts';
import { createTcpProxy, type TcpProxy } from './tcp-proxy.ts';

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
  agent(name: string): Agent;
  /** Enrols one more thin client, and starts it unless told otherwise. */
  addAgent(name: string, options?: { readonly group?: string; readonly start?: boolean }): Promise<Agent>;
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

/** Makes and starts the two servers. Agents and objects come later. */
export async function createSite({ folder, processes, wires: withWires = false }: SiteOptions): Promise<Site> {
  const history: DeviceHistory = { logins: [], versions: [] };
  const agents: Agent[] = [];
  const places = { primary: await placeServer(withWires), secondary: await placeServer(withWires) };
  const server = (name: 'primary' | 'secondary') =>
    createServerCommands(processes, name, join(folder, name), places[name].url);
  const primary = server('primary');
  const secondary = server('secondary');
  const site = ['--listen', `127.0.0.1:${places.primary.listen}`, '--url', primary.url];

  await succeed(
    'init',
    processes.run(
      'thinman-server',
      ['init', '--data', primary.data, '--name', 'primary', ...site, '--admin-password-stdin'],
      { input: ADMIN_PASSWORD },
    ),
  );
  await primary.start();

  const token = await primary.administer(['token', 'server', '--name', 'secondary', '--url', secondary.url]);
  const database = `sqlite:${join(primary.data, 'site.db')}`;
  await succeed(
    'join',
    processes.run('thinman-server', [
      ...['join', token.trim(), '--data', secondary.data, '--name', 'secondary'],
      ...['--listen', `127.0.0.1:${places.secondary.listen}`, '--url', secondary.url],
      ...['--database', database, '--single-host'],
    ]),
  );
  await secondary.start();

  let files = 0;
  return {
    folder,
    primary,
    secondary,
    agents,
    wires:
      places.primary.wire !== undefined && places.secondary.wire !== undefined
        ? { primary: places.primary.wire, secondary: places.secondary.wire }
        : undefined,
    history,
    agent: name => {
      const agent = agents.find(known => known.name === name);
      if (agent === undefined) throw new Error(`there is no thin client "${name}" in this site`);
      return agent;
    },
    addAgent: async (name, { group, start = true } = {}) => {
      const groupArgs = group === undefined ? [] : ['--group', group];
      const deviceToken = (await primary.administer(['token', 'device', ...groupArgs])).trim();
      const agent = createAgentCommands(processes, name, join(folder, name), history);
      await succeed('enroll', agent.enroll(deviceToken));
      agents.push(agent);
      if (start) await agent.start();
      return agent;
    },
    apply: yaml => {
      const input = join(folder, 'input');
      mkdirSync(input, { recursive: true });
      const file = join(input, `${++files}.yaml`);
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

  async function placeServer(wired: boolean) {
    const listen = await freePort();
    const wire = wired ? await createTcpProxy(await freePort(), listen) : undefined;
    return { listen, wire, url: `https://127.0.0.1:${wire?.port ?? listen}` };
  }
}

/** Waits until this device has heard of everything that was committed on the Primary up to now. */
export async function waitUntilCurrent(site: Site, agent: Agent): Promise<void> {
  const { epoch, generation } = await site.primary.status();
  await agent.waitForStatus(
    `to hold generation ${epoch}.${generation}`,
    status => status.epoch === epoch && status.generation >= generation,
  );
}

/** Waits until a person who looks at the device sees it on this server. */
export function waitUntilOn(agent: Agent, server: Server, withinMs?: number) {
  return agent.waitForStatus(
    `to be online on the ${server.name}`,
    status => status.mode === 'online' && status.server?.name === server.name,
    withinMs,
  );
}

async function succeed(what: string, finished: Promise<Finished>): Promise<Finished> {
  const { code, stdout, stderr, ...rest } = await finished;
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${stderr}${stdout}`);
  return { code, stdout, stderr, ...rest };
}
