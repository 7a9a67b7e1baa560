// The namespaces of one test network, made and removed with iproute2: one for each host, and one for the switch between them, so
// that no firewall of the machine has a say on it. Their names hold the process that made them.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { startOf } from '../process-start.ts';
import { feedProgram, runProgram, SYSTEM_PATH } from '../programs.ts';
import { waitFor } from '../wait.ts';

export type Wiring = {
  /** Of a host's or the switch's namespace. */
  namespaceOf(name: string): string;
  addressOf(name: string): string;
  /** The same host's address on `slow-wires.ts`. */
  detourOf(name: string): string;
  readonly subnet: number;
  /** Ends what still runs in the namespaces, and removes them. */
  remove(): Promise<void>;
};

/** This process on the switch; the name of its port. */
export const OUTSIDE = 'outside';
export const SWITCH = 'switch';

const PREFIX = 'thinman-';
/** 198.18.0.0/15 is for tests of networks (RFC 2544): nobody's network is there. Two /24 for each of ours. */
const SUBNETS = 256;
const ATTEMPTS = 20;

/** Makes the namespaces, wired and up: each `name` and this process are hosts of one subnet. */
export async function wire(names: readonly string[]): Promise<Wiring> {
  await removeLeftovers();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const wiring = await tryToWire(names, randomInt(SUBNETS));
    if (wiring !== undefined) return wiring;
  }
  throw new Error(`no subnet of ${SUBNETS} is free: does \`ip netns list\` show many that begin with ${PREFIX}?`);
}

/** Nothing when the subnet is another's: its interface in the machine's own namespace is there already. */
async function tryToWire(names: readonly string[], subnet: number): Promise<Wiring | undefined> {
  const cable = `thinman${subnet}`;
  const hosts = [OUTSIDE, ...names];
  const addressOf = (name: string) => `198.18.${subnet}.${hosts.indexOf(name) + 1}`;
  const detourOf = (name: string) => `198.19.${subnet}.${hosts.indexOf(name) + 1}`;
  const namespaceOf = (name: string) => `${PREFIX}${process.pid}-${startOf(process.pid)}-${subnet}-${name}`;
  const theSwitch = namespaceOf(SWITCH);
  const made = [theSwitch, ...names.map(namespaceOf)];
  const atExit = () => void spawnSync('ip', ['-batch', '-'], { input: deletion(made), env: { PATH: SYSTEM_PATH } });
  const remove = async () => {
    await removeNamespaces(made);
    process.off('exit', atExit);
  };

  process.once('exit', atExit);
  try {
    await runProgram('ip', 'netns', 'add', theSwitch);
    try {
      await runProgram('ip', 'link', 'add', 'name', cable, 'type', 'veth', 'peer', 'name', OUTSIDE, 'netns', theSwitch);
    } catch (error) {
      if (!(await interfaces()).includes(cable)) throw error;
      await remove();
      return undefined;
    }
    await ip(undefined, ...names.map(name => `netns add ${namespaceOf(name)}`));
    await ip(
      theSwitch,
      'link add name bridge type bridge',
      'link set bridge up',
      ...names.map(name => `link add name ${name} type veth peer name eth0 netns ${namespaceOf(name)}`),
      ...hosts.flatMap(name => [`link set dev ${name} master bridge`, `link set dev ${name} up`]),
    );
    for (const name of names) {
      const address = `address add ${addressOf(name)}/24 dev eth0`;
      await ip(namespaceOf(name), 'link set lo up', address, 'link set eth0 up');
    }
    await ip(undefined, `address add ${addressOf(OUTSIDE)}/24 dev ${cable}`, `link set dev ${cable} up`);
  } catch (error) {
    await remove();
    throw error;
  }
  return { namespaceOf, addressOf, detourOf, subnet, remove };
}

/** Commands of `ip`, in a namespace or in the machine's own. */
const ip = (namespace: string | undefined, ...commands: readonly string[]) =>
  feedProgram(commands.join('\n'), 'ip', ...(namespace === undefined ? [] : ['-netns', namespace]), '-batch', '-');

const deletion = (namespaces: readonly string[]) => namespaces.map(name => `netns delete ${name}\n`).join('');

async function interfaces(): Promise<readonly string[]> {
  const links: { ifname: string }[] = JSON.parse(await runProgram('ip', '-json', 'link', 'show'));
  return links.map(link => link.ifname);
}

async function namespaces(): Promise<readonly string[]> {
  const list = await runProgram('ip', '-json', 'netns', 'list');
  const found: { name: string }[] = list.trim() === '' ? [] : JSON.parse(list);
  return found.map(({ name }) => name);
}

async function removeNamespaces(names: readonly string[]): Promise<void> {
  const there = await namespaces();
  for (const name of names.filter(each => there.includes(each))) {
    await waitFor(`what runs in ${name} to end`, async () => {
      const pids = (await runProgram('ip', 'netns', 'pids', name)).split('\n').filter(line => line !== '');
      for (const pid of pids) endProcess(Number(pid));
      return pids.length === 0 || undefined;
    });
    await runProgram('ip', 'netns', 'delete', name);
  }
}

/** What processes that were killed could not remove any more. */
async function removeLeftovers(): Promise<void> {
  const left = (await namespaces()).filter(name => {
    const [pid, start] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-') : [];
    return pid !== undefined && start !== undefined && startOf(Number(pid)) !== start;
  });
  await removeNamespaces(left);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
