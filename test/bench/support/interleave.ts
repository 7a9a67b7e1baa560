/** What a measurement gives, most often milliseconds. */
export type Probe = () => Promise<number>;

/**
 * Measures each in turn, `rounds` times (A, B, A, B, …): whatever the machine does meanwhile, it does to all of them. The first
 * round warms up and is not counted.
 */
export async function interleave<K extends string>(
  rounds: number,
  probes: Readonly<Record<K, Probe>>,
): Promise<Readonly<Record<K, readonly number[]>>> {
  const names = Object.keys(probes) as K[];
  const measured = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const value = await probes[name]();
      if (round > 0) measured[name].push(value);
    }
  }
  return measured;
}

export async function timed(work: () => unknown): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
