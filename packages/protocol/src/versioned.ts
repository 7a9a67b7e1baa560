import Type, { type Static } from 'typebox';

/** A larger one is no number that anybody has counted up to, and no database takes it. */
const counted = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/**
 * A point in the site's one line of commits. `epoch` is raised by promotion or by accepting a restored database;
 * `generation` counts commits within it. Ordered by epoch first.
 */
export const Version = Type.Object({ epoch: counted(), generation: counted() });
export type Version = Static<typeof Version>;

/** Before everything: what a device knows that knows nothing. */
export const NO_VERSION: Version = { epoch: 0, generation: 0 };

/** Negative when `a` is older than `b`, 0 when equal, positive when newer. */
export function compareVersions(a: Version, b: Version): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}

/** Whether `a` comes before `b`. */
export function isOlder(a: Version, b: Version): boolean {
  return compareVersions(a, b) < 0;
}

/** The later one. */
export function newestVersion(a: Version, b: Version): Version {
  return isOlder(a, b) ? b : a;
}
