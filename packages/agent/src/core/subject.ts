import { isOlder, type Version } from '@thinman/protocol';

/**
 * The rule of ignored answers (`failover.md`). An answer about a user counts unless it rests on an *older* version of the
 * User object than the device already knows: a server that lags lets no old password in, and locks nobody out.
 *
 * Comparing the whole site's version instead lets old passwords and disabled users in: a server may be newer in everything
 * else and older in this one user.
 */
export function answerCounts(subject: Version | undefined, known: Version | undefined): boolean {
  return subject === undefined || known === undefined || !isOlder(subject, known);
}

/**
 * Only the signed statement raises the epoch: an answer from a higher one is not believed before the statement has come,
 * so nobody leads devices away with a large number.
 */
export function isBelievable(version: Version | undefined, siteEpoch: number): boolean {
  return version === undefined || version.epoch <= siteEpoch;
}

/** The newer of what is known and what was heard. */
export function newestKnown(known: Version | undefined, heard: Version | undefined): Version | undefined {
  if (known === undefined) return heard;
  return heard === undefined || isOlder(heard, known) ? known : heard;
}
