/** What a switch does not let through. */
export type Faults = {
  /** Hosts that nothing reaches, and that reach nothing. */
  readonly silent: ReadonlySet<string>;
  /** Pairs of hosts that do not reach each other, as `pairOf` names them. */
  readonly cut: ReadonlySet<string>;
};

/** One name for the pair, whichever comes first. */
export const pairOf = (a: string, b: string): string => [a, b].toSorted().join(' ');

/**
 * The faults as a whole ruleset of nftables for the switch of `namespaces.ts`; it takes the place of the one before at once. Only
 * IPv4 is dropped: with ARP gone too, senders would be told "no route to host" after 3 s, where packets that are lost beyond a
 * router just vanish.
 */
export function switchRules({ silent, cut }: Faults): string {
  const ofHosts = [...silent].flatMap(name => [`iifname "${name}"`, `oifname "${name}"`]);
  const ofPairs = [...cut].flatMap(pair => {
    const [a, b] = pair.split(' ');
    return [`iifname "${a}" oifname "${b}"`, `iifname "${b}" oifname "${a}"`];
  });
  return [
    'table bridge faults',
    'delete table bridge faults',
    'table bridge faults {',
    '  chain forward {',
    '    type filter hook forward priority 0; policy accept;',
    ...[...ofHosts, ...ofPairs].map(rule => `    ether type ip ${rule} drop`),
    '  }',
    '}',
    '',
  ].join('\n');
}
