import { isOlder, NO_VERSION, parseValue, type RecordedEvent, Version } from '@thinman/protocol';
import type { DeviceHistory, SeenLogin } from './agent-commands.ts';

/**
 * Holds what devices said against the events that reached the site (failover.md, "Invariants" 1, 2 and 4). Only after
 * everything is healed and handed on. Gives a sentence for each thing that is wrong.
 */
export function brokenInvariants(history: DeviceHistory, events: readonly RecordedEvent[]): string[] {
  return [
    ...storedTwice(events),
    ...loginsAgainstEvents(history.logins, events),
    ...answersTakenButNotGiven(events),
    ...subjectsThatWentBack(events),
    ...versionsThatWentBack(history.versions),
  ];
}

/** A word about the device, whoever logs in: no server counts it as an answer to a login, and no user's version is in it. */
const OF_THE_DEVICE = 'device_revoked';

function storedTwice(events: readonly RecordedEvent[]): string[] {
  // A login's id belongs to one device: the same id from two is as wrong as the same id twice from one.
  const keys = events.map(({ origin, id, type }) => (type === 'login' ? `login ${id}` : `${origin} ${id}`));
  const answered = events
    .filter(({ type }) => type === 'login.answered')
    .map(({ origin, data }) => `answer of ${origin} to ${data.loginId}`);
  return [...repeated(keys), ...repeated(answered)].map(key => `is stored more than once: ${key}`);
}

/** Each login that a person saw has exactly one event that says the same, and there are no other such events. */
function loginsAgainstEvents(logins: readonly SeenLogin[], events: readonly RecordedEvent[]): string[] {
  const recorded = events.filter(({ type }) => type === 'login').map(describeEvent);
  const seen = logins.filter(({ answer }) => answer !== undefined).map(describeLogin);
  const missing = without(seen, recorded).map(login => `has no event: ${login}`);
  const surplus = without(recorded, seen);
  // A login whose answer nobody saw (its agent was killed) may have been recorded.
  const unseen = logins.filter(({ answer }) => answer === undefined).map(({ device, user }) => `${user} on ${device}:`);
  const unexplained = without(
    surplus.map(login => login.slice(0, login.indexOf(':') + 1)),
    unseen,
  );
  return [...missing, ...unexplained.map(login => `is recorded, but was never answered: ${login} among ${surplus}`)];
}

function describeLogin({ device, user, answer }: SeenLogin): string {
  return `${user} on ${device}: ${answer?.verdict} ${answer?.reason ?? ''} ${answer?.mode} ${answer?.server ?? ''}`;
}

function describeEvent({ origin, user, data }: RecordedEvent): string {
  return `${user} on ${origin.replace('device:', '')}: ${data.verdict} ${data.reason ?? ''} ${data.mode} ${data.server ?? ''}`;
}

/** Said to a device before any user is looked at: of a device that floods, a server must not write everything down. */
const UNRECORDED: readonly string[] = [OF_THE_DEVICE, 'too_many_attempts'];

/** An answer that a device took has been recorded by the server that gave it, in the same words. */
function answersTakenButNotGiven(events: readonly RecordedEvent[]): string[] {
  const given = events
    .filter(({ type }) => type === 'login.answered')
    .map(({ origin, data }) => `${data.loginId} ${origin} ${data.verdict} ${data.reason ?? ''}`);
  return events
    .filter(({ type, data }) => type === 'login' && typeof data.server === 'string' && data.mode !== 'offline')
    .filter(({ data }) => !UNRECORDED.includes(String(data.reason)))
    .map(({ id, data }) => `${id} server:${data.server} ${data.verdict} ${data.reason ?? ''}`)
    .filter(answer => !given.includes(answer))
    .map(answer => `was taken by a device, but its server has not recorded it: ${answer}`);
}

/** What servers' answers about one user rest on, as one device took them, never gets older. */
function subjectsThatWentBack(events: readonly RecordedEvent[]): string[] {
  const newest = new Map<string, Version>();
  return events
    .filter(({ type, data }) => type === 'login' && data.mode !== 'offline' && data.reason !== OF_THE_DEVICE)
    .toSorted((a, b) => a.at - b.at)
    .flatMap(({ origin, user, data }) => {
      const parsed = parseValue(Version, data.subject);
      if (!parsed.ok) return [];
      const key = `${user} on ${origin}`;
      const before = newest.get(key);
      if (before !== undefined && isOlder(parsed.value, before)) {
        return [`rests on an older word than one that was taken before: ${key}`];
      }
      newest.set(key, parsed.value);
      return [];
    });
}

function versionsThatWentBack(versions: DeviceHistory['versions']): string[] {
  return versions.flatMap(({ device, version }, at) => {
    const before = versions.slice(0, at).findLast(earlier => earlier.device === device)?.version;
    // A device that was revoked has forgotten everything.
    if (version.epoch === NO_VERSION.epoch) return [];
    return before !== undefined && isOlder(version, before)
      ? [`${device} went back from ${before.epoch}.${before.generation} to ${version.epoch}.${version.generation}`]
      : [];
  });
}

function repeated(keys: readonly string[]): readonly string[] {
  const [seen, twice] = [new Set<string>(), new Set<string>()];
  for (const key of keys) (seen.has(key) ? twice : seen).add(key);
  return [...twice];
}

/** The first list less the second, each element as often as it is there. */
function without(all: readonly string[], taken: readonly string[]): string[] {
  const left = [...taken];
  return all.filter(element => {
    const at = left.indexOf(element);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
