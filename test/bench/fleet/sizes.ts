import type { Size } from '../bench.ts';

/** `THINMAN_FLEET_DEVICES`: another number of devices than a bench has, for a smaller machine or a slope. */
export function devicesFor(size: Size, numbers: Readonly<Record<Size, number>>): number {
  const asked = Number(process.env.THINMAN_FLEET_DEVICES);
  return asked > 0 && size !== 'small' ? asked : numbers[size];
}
