/** What is random in a nemesis, from one seed: the same seed throws the same faults, in the same order. */
export type Dice = {
  /** From [0, 1). */
  draw(): number;
  chance(probability: number): boolean;
  between(least: number, most: number): number;
  pick<T>(things: readonly T[]): T;
  /** Dice of somebody else, who throws them at another pace. */
  fork(): Dice;
};

/** Mulberry32: small, and good enough to choose faults with. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const draw = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number) => least + draw() * (most - least);
  return {
    ...{ draw, between },
    chance: probability => draw() < probability,
    pick: things => {
      const picked = things[Math.floor(draw() * things.length)];
      if (picked === undefined) throw new Error('nothing to pick from');
      return picked;
    },
    fork: () => createDice(Math.floor(draw() * 2 ** 32)),
  };
}
