import { isOlder, type Missing, type Version } from '@thinman/protocol';

export const NOTHING_MISSING: Missing = { count: 0, objects: [] };

/** What of it is still missing, now that the data have reached `has`. `told`: what the Primary had committed beyond some older version. */
export function stillMissing(told: { readonly version: Version; readonly missing: Missing }, has: Version): Missing {
  const { version, missing } = told;
  if (!isOlder(has, version)) return NOTHING_MISSING;
  // Another epoch has another line of commits: nothing of it is here.
  if (has.epoch !== version.epoch) return missing;
  const objects = missing.objects.filter(({ generation }) => generation > has.generation);
  // The newest are named: where one of them has arrived, so have all that are not named.
  return { count: objects.length < missing.objects.length ? objects.length : missing.count, objects };
}

/** In an event, which has 16 KiB at the most: the others are in the report of the server. */
const NAMED_IN_EVENT = 20;

/** The same, as short as an event must be. */
export function shortenMissing({ count, objects }: Missing): Missing {
  return { count, objects: objects.slice(0, NAMED_IN_EVENT) };
}

/** Named in a sentence: more would not be read. */
const NAMED_IN_WORDS = 10;

/** For people: `3 objects have not arrived: User/alice (generation 41), …`, oldest first. */
export function describeMissing({ count, objects }: Missing): string {
  const have = count === 1 ? 'object has' : 'objects have';
  const named = objects.toReversed().slice(0, NAMED_IN_WORDS);
  if (named.length === 0) return `${count} ${have} not arrived`;
  const list = named.map(({ kind, name, generation }) => `${kind}/${name} (generation ${generation})`).join(', ');
  const more = count - named.length;
  return `${count} ${have} not arrived: ${list}${more > 0 ? ` and ${more} more` : ''}`;
}
