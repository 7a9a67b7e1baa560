import { feedProgram, systemProgram } from '../programs.ts';
import { OUTSIDE, SWITCH, wire } from './namespaces.ts';
import { laySlowWires, type Slowness } from './slow-wires.ts';
import { type Faults, pairOf, switchRules } from './switch-rules.ts';

/** A machine of a test: a network namespace. */
export type Host = {
  readonly name: string;
  /** Where the others and this process reach it; what runs on it listens here. It has a loopback of its own. */
  readonly address: string;
  /** Put before a command, this runs it on the host, as the same process. `inside` of what starts processes here. */
  readonly command: readonly string[];
  /** From now on packets to and from it vanish: nobody is told. */
  dropPackets(): Promise<void>;
  /** Only where the network has slow wires. Takes the place of what was set before. */
  slowDown(slowness: Slowness): void;
  /** Packets come through again at full speed, also those that `dropBetween` cut off. */
  restore(): Promise<void>;
};

export type Network = AsyncDisposable & {
  host(name: string): Host;
  /** Of this process, which is a host too, named `outside` in `dropBetween`. */
  readonly outsideAddress: string;
  /** From now on packets between the two vanish, both ways. */
  dropBetween(a: string, b: string): Promise<void>;
  mendBetween(a: string, b: string): Promise<void>;
};

export type NetworkOptions = {
  /**
   * Packets can be slowed down and lost at random. They all go through this process then, so do not measure on such a network.
   * Needs /dev/net/tun and the package socat.
   */
  readonly slowWires?: true;
};

/** Of an interface (IFNAMSIZ), which has the host's name. */
const NAME = /^[a-z][a-z0-9-]{0,14}$/;

/**
 * Hosts with these names on one switch; this process reaches them all. Needs Linux, root, and the packages iproute2 and nftables.
 * Nothing is left of it, also when this process is killed: the next one removes it.
 */
export async function createNetwork(names: readonly string[], options: NetworkOptions = {}): Promise<Network> {
  for (const name of names) {
    if (!NAME.test(name) || [OUTSIDE, SWITCH, 'bridge', 'lo'].includes(name))
      throw new Error(`no name for a host: ${name}`);
  }
  await using unfinished = new AsyncDisposableStack();
  const wiring = await wire(names);
  unfinished.defer(wiring.remove);
  const ip = systemProgram('ip');
  let faults: Faults = { silent: new Set(), cut: new Set() };
  let changed: Promise<unknown> = Promise.resolve();
  const change = async (next: Partial<Faults>) => {
    faults = { ...faults, ...next };
    const rules = switchRules(faults);
    const nft = [ip, 'netns', 'exec', wiring.namespaceOf(SWITCH), 'nft', '--file', '-'] as const;
    changed = changed.then(() => feedProgram(rules, ...nft));
    await changed;
  };
  const known = (name: string) => {
    if (name !== OUTSIDE && !names.includes(name)) throw new Error(`the network has no host ${name}`);
    return name;
  };
  const slow = options.slowWires ? await laySlowWires({ names, wiring, faults: () => faults }) : undefined;
  if (slow !== undefined) unfinished.use(slow);
  const addressOf = slow === undefined ? wiring.addressOf : wiring.detourOf;
  const owned = unfinished.move();
  return {
    host: name => ({
      name: known(name),
      address: addressOf(name),
      command: [ip, 'netns', 'exec', wiring.namespaceOf(name)],
      dropPackets: () => change({ silent: new Set([...faults.silent, name]) }),
      slowDown: slowness => {
        if (slow === undefined) throw new Error('the network was made without slow wires');
        slow.setSlowness(name, slowness);
      },
      restore: async () => {
        slow?.setSlowness(name, undefined);
        const silent = new Set([...faults.silent].filter(each => each !== name));
        await change({ silent, cut: new Set([...faults.cut].filter(pair => !pair.split(' ').includes(name))) });
      },
    }),
    outsideAddress: addressOf(OUTSIDE),
    dropBetween: async (a, b) => change({ cut: new Set([...faults.cut, pairOf(known(a), known(b))]) }),
    mendBetween: async (a, b) => {
      const mended = pairOf(known(a), known(b));
      await change({ cut: new Set([...faults.cut].filter(pair => pair !== mended)) });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
