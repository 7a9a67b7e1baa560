// The invariants of failover.md over what people, administrators and the site itself recorded.
import type { RecordedEvent } from '@thinman/protocol';
import { parseValue, Version } from '@thinman/protocol';
import { brokenInvariants } from '../support/invariants.ts';
import { DECISION_MS, LOGIN_DEADLINE_MS } from '../support/logins.ts';
import type { Site } from '../support/site.ts';
import { Finding, type History, loginInWords, type MadeLogin, type UserWrite } from './history.ts';
import { WRONG } from './people.ts';

/** What a machine with two cores adds, on which databases and servers start and end all the while. */
const MARGIN_MS = 3_000;

/** Everything is healed and handed on. Throws a Finding. */
export async function checkAll(
  site: Site,
  history: History,
  steady: readonly string[],
): Promise<{ readonly events: number }> {
  const events = await site.primary.events();
  for (const broken of brokenInvariants(site.history, events)) throw new Finding(broken, wordsOf(broken));
  checkSteady(history, steady);
  checkWrong(history);
  checkGrants(history, events);
  await checkWrites(site, history);
  await checkCopies(site);
  return { events: events.length };
}

/** 6. Who may log in gets in within the deadline, whatever fails. */
function checkSteady(history: History, steady: readonly string[]): void {
  for (const login of history.logins) {
    if (!steady.includes(login.user) || login.answer === undefined) continue;
    if (login.answer.verdict !== 'granted') {
      throw new Finding(`who may log in did not get in: ${loginInWords(login)}`, [`${login.user} on ${login.device}`]);
    }
    if (login.answer.elapsedMs > LOGIN_DEADLINE_MS + DECISION_MS + MARGIN_MS && !wasHung(history, login)) {
      throw new Finding(`a login took ${Math.round(login.answer.elapsedMs)} ms: ${loginInWords(login)}`, [
        login.device,
      ]);
    }
  }
}

/** An agent that was stopped meanwhile counts the time for which it stood. */
function wasHung({ faults }: History, { device, startMs, endMs }: MadeLogin): boolean {
  return faults.some(fault => fault.what.startsWith(device) && fault.endMs >= startMs && fault.startMs <= endMs);
}

function checkWrong({ logins }: History): void {
  const entered = logins.find(({ password, answer }) => password === WRONG && answer?.verdict === 'granted');
  if (entered !== undefined) throw new Finding(`a wrong password opened: ${loginInWords(entered)}`, [entered.device]);
}

/** 1. No grant against what the newest word about the user says, as the site's object or as the device itself had it. */
function checkGrants(history: History, events: readonly RecordedEvent[]): void {
  const recorded = events.filter(({ type }) => type === 'login');
  for (const user of new Set(history.userWrites.map(write => write.user))) {
    const writes = history.userWrites.filter(write => write.user === user);
    for (const login of history.logins.filter(each => each.user === user && each.answer?.verdict === 'granted')) {
      if (login.answer?.mode === 'offline') checkOffline(history, login);
      else checkOnline(login, eventOf(login, recorded), writes);
    }
  }
}

/** One device logs in one after the other: its event was made meanwhile. */
function eventOf({ device, user, startMs, endMs }: MadeLogin, recorded: readonly RecordedEvent[]): RecordedEvent {
  const found = recorded.find(
    event =>
      event.origin === `device:${device}` && event.user === user && event.at >= startMs - 1 && event.at <= endMs + 1,
  );
  if (found === undefined) throw new Finding(`a login of ${user} on ${device} has no event`, [`${user} on ${device}`]);
  return found;
}

function checkOnline(login: MadeLogin, event: RecordedEvent, writes: readonly UserWrite[]): void {
  const about = [`user ${login.user}`, `${login.user} on`];
  const subject = parseValue(Version, event.data.subject);
  if (!subject.ok) throw new Finding(`a grant rests on nothing: ${loginInWords(login)}`, about);
  const { generation } = subject.value;
  // A write that was never acknowledged says the same as the one that was repeated after it.
  const state = writes.find(write => generation <= (write.generation ?? 0))?.state;
  const rests = `on generation ${generation} of ${login.user}`;
  if (state === undefined)
    throw new Finding(`a grant rests ${rests}, which nobody wrote: ${loginInWords(login)}`, about);
  if (state.disabled)
    throw new Finding(`a grant rests ${rests}, where the account is disabled: ${loginInWords(login)}`, about);
  if (state.password !== login.password) {
    throw new Finding(`a grant rests ${rests}, where the password is another one: ${loginInWords(login)}`, about);
  }
}

/** Offline counts what this device heard last. */
function checkOffline({ logins }: History, login: MadeLogin): void {
  const before = logins.filter(
    ({ device, user, endMs }) => device === login.device && user === login.user && endMs <= login.startMs,
  );
  const heard = before.findLast(
    ({ answer }) =>
      answer !== undefined &&
      answer.mode !== 'offline' &&
      (answer.verdict === 'granted' || answer.reason === 'account_disabled'),
  );
  const about = [`${login.user} on ${login.device}`, `user ${login.user}`];
  if (login.entombed) throw new Finding(`an offline grant against a tombstone: ${loginInWords(login)}`, about);
  if (heard?.answer?.verdict !== 'granted') {
    throw new Finding(`an offline grant without a login before it: ${loginInWords(login)}`, about);
  }
  if (heard.password !== login.password) {
    throw new Finding(`an offline grant by another password than the last one: ${loginInWords(login)}`, about);
  }
}

/** 5. Every acknowledged write is there, and no Secondary took one. */
async function checkWrites({ primary }: Site, history: History): Promise<void> {
  const names = new Set((await primary.get('DeviceGroup')).map(({ name }) => name));
  for (const group of history.groups) {
    if (!names.has(group)) throw new Finding(`an acknowledged write is lost: ${group}`, [group]);
  }
  const accepted = history.writes.find(
    ({ what, generation }) => what.includes(' on the Secondary') && generation !== undefined,
  );
  if (accepted !== undefined) throw new Finding(`a Secondary took a write: ${accepted.what}`, [accepted.what]);
  const stray = [...history.strays].find(name => names.has(name));
  if (stray !== undefined) throw new Finding(`a write that was asked of a Secondary is there: ${stray}`, [stray]);
}

/** Generations have no gap, and each server holds what its source of record has, byte for byte. */
async function checkCopies(site: Site): Promise<void> {
  for (const server of site.servers) {
    const { code, stdout, stderr } = await server.tend(['verify']);
    if (code !== 0) throw new Finding(`verify of ${server.name} ended with ${code}: ${stdout}${stderr}`);
  }
}

/** Names of devices, users and objects in a sentence of an invariant. */
const wordsOf = (sentence: string) => sentence.match(/\b\w+ on tc-\d+|\btc-\d+\b|\bgroup-\d+\b/g) ?? [];
