import type { UserWord, Version } from '@thinman/protocol';
import type { Tombstone } from '../ports.ts';
import type { KnownUser } from './event.ts';
import { endSession, refreshNow } from './session.ts';
import { answerCounts, isBelievable } from './subject.ts';
import { emit, type Turn } from './turn.ts';

/** What a server says of a cached user blocks at once, and is lifted only by a word that is not older. */
export function takeWords(turn: Turn, words: readonly UserWord[], known: readonly KnownUser[]): void {
  for (const word of words) {
    const user = known.find(({ userId }) => userId === word.userId);
    if (user === undefined || !isBelievable(word.subject, turn.state.site.epoch)) continue;
    if (!answerCounts(word.subject, user.subject)) continue;
    takeWord(turn, word, user);
  }
}

function takeWord(turn: Turn, word: UserWord, known: KnownUser): void {
  const { user, userId, tombstone } = known;
  const { subject } = word;
  const reason = tombstoneReason(word, known.credentialVersion);
  const isHeld = known.credentialVersion !== undefined;
  if (reason === undefined) {
    // Without a row there is nothing to let in: a version that is known is not forgotten for that.
    if (isHeld && (tombstone !== undefined || isNewer(subject, known.subject))) {
      emit(turn, { kind: 'raiseSubject', user, userId, subject });
    }
  } else if (tombstone?.reason !== reason || isNewer(subject, tombstone.subject) || (isHeld && word.keep === false)) {
    // A deleted user's id never comes back, and of an excluded one nothing is kept; one who is disabled may be enabled again.
    const erase = reason === 'deleted' || word.keep === false;
    emit(turn, { kind: 'setTombstone', tombstone: { userId, user, reason, subject }, erase });
  }
  tellSession(turn, word, isNewer(subject, known.subject));
}

function tombstoneReason(word: UserWord, credentialVersion: number | undefined): Tombstone['reason'] | undefined {
  if (word.state !== 'ok') return word.state;
  if (credentialVersion !== undefined && word.credentialVersion !== credentialVersion) return 'credential_changed';
  return word.offlineAllowed ? undefined : 'offline_withdrawn';
}

/** An open session ends with its account; another credential, or an administrator's word, is for the server to judge, at once. */
function tellSession(turn: Turn, word: UserWord, isNews: boolean): void {
  const { session } = turn.state;
  if (session.kind !== 'open' || session.userId !== word.userId) return;
  if (word.state !== 'ok') {
    endSession(turn, word.state === 'disabled' ? 'account_disabled' : 'account_deleted');
    return;
  }
  // No token is there to ask by: what it began with is not the user's password any more.
  if (session.standing.kind === 'locked' && session.credentialVersion !== word.credentialVersion) {
    endSession(turn, 'credential_changed');
    return;
  }
  const isOther = isNews || session.credentialVersion !== word.credentialVersion;
  if (isOther) refreshNow(turn);
}

function isNewer(subject: Version, known: Version): boolean {
  return !answerCounts(known, subject);
}
