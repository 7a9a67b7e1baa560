import { type AgentStatus, EMERGENCY_LIFTS, type LocalPamRequest, readEmergencyCode } from '@thinman/protocol';
import type { createFailureLimit } from './failure-limit.ts';
import type { LocalAgent } from './local-agent.ts';
import type { UnixAccounts } from './unix-accounts.ts';
import type { Words } from './words/shape.ts';
import { denial, emergencyWords, LANGUAGES, languageOf } from './words/words.ts';

/** What PAM is told. `text`: one line for the person, or nothing. */
export type PamAnswer = { readonly yes: boolean; readonly text: string };

/**
 * Who asks. `limit`: of the socket that anybody may open; whoever has no limit speaks for the device. `place`: the screen, terminal or
 * remote host; what is typed at one is no answer to what another one asked.
 */
type Caller = {
  readonly limit?: ReturnType<typeof createFailureLimit>;
  readonly place: string;
  /** Nobody waits for the answer any more: the helper was killed, or its time was over. */
  readonly isGone: () => boolean;
};

/** Where time comes from. `after` runs something later, and gives how to stop it. */
export type PamTime = { readonly after: (delayMs: number, action: () => void) => () => void };

const NO: PamAnswer = { yes: false, text: '' };
const YES: PamAnswer = { yes: true, text: '' };

type LocalSession = AgentStatus['session'];

/** From one step of a change to the next: a person at a login screen. Then what was typed is forgotten. */
const CHANGE_STEP_MS = 2 * 60_000;

/** A display or a console (PAM_TTY): one session of one person is there at a time. Others (`ssh`) may have several. */
const SCREEN = /(?:^| )(?::\d+|(?:\/dev\/)?tty\d+)(?: |$)/;

/** Places at which a change may be under way. A device has a screen and a few terminals; above it the oldest is forgotten. */
const MAX_CHANGES = 8;

/** `password`: the expired one, which was right. `next`: typed once. */
type Change = { readonly user: string; readonly password: string; readonly next?: string };

/** Answers for pam_exec: who may log in, who has, and when their session is over. */
export function createPamService(
  agent: LocalAgent,
  accounts: UnixAccounts,
  onTrouble: (error: unknown) => void,
  { after }: PamTime,
) {
  /** The name that PAM knows, and under which the agent signed that person in (`LAB\alice`, `alice@lab.test`). */
  const names = new Map<string, string>();
  /** For which somebody was let in last: they sit before it, whatever becomes of who asked for the same one meanwhile. */
  let letInto: LocalSession = null;
  /** Where PAM has opened sessions of Unix and not closed them, by name. */
  const open = new Map<string, readonly string[]>();
  /** Who is changing an expired password, and where: pam_exec asks one thing a login, so each step is a login of its own (ADR 0073). */
  const changing = new Map<string, { readonly change: Change; readonly stopForgetting: () => void }>();

  function forget(place: string): void {
    changing.get(place)?.stopForgetting();
    changing.delete(place);
  }

  function remember(place: string, change: Change): void {
    forget(place);
    const [oldest] = changing.keys();
    if (changing.size >= MAX_CHANGES && oldest !== undefined) forget(oldest);
    changing.set(place, { change, stopForgetting: after(CHANGE_STEP_MS, () => forget(place)) });
  }

  /** The user of ThinMan whom PAM means, or undefined: nobody. */
  function meant(name: string): string | undefined {
    const who = accounts.who(name);
    if (who.kind === 'local') return undefined;
    return who.kind === 'user' ? who.name : agent.status().session?.user;
  }

  /** Whether that person is signed in now. */
  function isSignedIn(name: string): boolean {
    const user = meant(name);
    const session = agent.status().session;
    return user !== undefined && session !== null && (session.user === user || session.user === names.get(user));
  }

  async function auth(request: LocalPamRequest, words: Words, caller: Caller): Promise<PamAnswer> {
    const { limit, place } = caller;
    const { user: name, password = '' } = request;
    const user = meant(name);
    if (user === undefined) {
      return { yes: false, text: accounts.who(name).kind === 'local' ? words.ownAccount : words.notSignedIn };
    }
    // pam_exec hands on an empty one too: no user has it, and no attempt is lost to it.
    if (password === '') return { yes: false, text: words.reasons.credentials_invalid };
    // Whoever speaks for the device has a login screen, which shows what comes next.
    if (limit === undefined && accounts.who(name).kind === 'user') {
      const change = changing.get(place)?.change;
      if (change?.user === user) return nextStep(caller, change, password, words);
      forget(place);
    }
    const run = () => tryLogin(user, password, words, caller);
    const tried = limit === undefined ? { result: await run() } : await limit.attempt(run, ({ yes }) => !yes);
    if ('waitMs' in tried) return { yes: false, text: denial(words, 'too_many_attempts', tried.waitMs) };
    const { reason, ...answer } = tried.result;
    if (accounts.who(name).kind !== 'user') return answer;
    if (reason === 'password_expired' && limit === undefined) {
      remember(place, { user, password });
      return { yes: false, text: words.typeNew };
    }
    if (!answer.yes) return answer;
    return makeAccount(user, words) ?? answer;
  }

  /** One login; where only a code by telephone helps, what was typed may be one. */
  async function tryLogin(
    user: string,
    password: string,
    words: Words,
    { isGone }: Caller,
  ): Promise<PamAnswer & { reason?: string | null }> {
    const before = agent.status().session;
    const { verdict, reason, retryAfterMs, mode, warning = '' } = await agent.login(user, password);
    if (verdict === 'denied') {
      const helped = EMERGENCY_LIFTS.some(lifted => lifted === reason) ? byTelephone(user, password, words) : undefined;
      return { yes: false, reason, text: helped ?? denial(words, reason, retryAfterMs) };
    }
    if (isGone()) {
      await takeBack(before);
      return NO;
    }
    letInto = agent.status().session;
    const signedIn = letInto?.user;
    if (signedIn !== undefined && signedIn !== user) names.set(user, signedIn);
    return { yes: true, text: mode === 'offline' ? words.grantedOffline : warning };
  }

  /** PAM has refused that person by now: nobody sits before the session that the password opened, or before the screen that it unlocked. */
  async function takeBack(before: LocalSession): Promise<void> {
    const { session } = agent.status();
    if (session === null) return;
    const goesOn = (of: LocalSession) => of?.user === session.user && of.since === session.since;
    if (!goesOn(before) && !goesOn(letInto)) await agent.logout();
    else if (before?.locked === true) agent.lock();
  }

  /** PAM asks for one thing alone: the code is typed in the place of the password, and the password after it. */
  function byTelephone(user: string, typed: string, words: Words): string | undefined {
    const code = readEmergencyCode(typed);
    const redeemed = code === undefined ? undefined : agent.emergency(user, code);
    if (redeemed?.kind === 'answer' && redeemed.answer.state === 'accepted') return words.codeAccepted;
    const called = agent.emergency(user);
    if (called.kind === 'refused' || called.answer.state === 'accepted') return undefined;
    const challenge = emergencyWords(words, called.answer);
    return redeemed === undefined ? challenge : `${words.reasons.emergency_invalid} ${challenge}`;
  }

  /** undefined: done. */
  function makeAccount(user: string, words: Words): PamAnswer | undefined {
    try {
      accounts.make(user);
      return undefined;
    } catch (error) {
      onTrouble(error);
      return { yes: false, text: words.accountTrouble };
    }
  }

  /** After an expired password: the new one, then the new one again. Whoever has changed it is signed in. */
  async function nextStep(caller: Caller, change: Change, typed: string, words: Words): Promise<PamAnswer> {
    const { place } = caller;
    const { user, password, next } = change;
    const again = { user, password };
    if (next === undefined) {
      const isOld = typed === password;
      remember(place, isOld ? again : { ...again, next: typed });
      return { yes: false, text: isOld ? words.typeNew : words.typeAgain };
    }
    remember(place, again);
    if (typed !== next) return { yes: false, text: words.page.newDiffers };
    const { changed, reason, retryAfterMs } = await agent.changePassword(user, password, next);
    // Only what is wrong with the new password can be mended here.
    if (reason !== 'password_refused') forget(place);
    if (!changed) return { yes: false, text: denial(words, reason, retryAfterMs) };
    const { yes, text } = await tryLogin(user, next, words, caller);
    return (yes ? makeAccount(user, words) : undefined) ?? { yes, text };
  }

  function opened(name: string, place: string): PamAnswer {
    const places = open.get(name) ?? [];
    // The end of the one before was not heard: its helper was killed.
    if (!SCREEN.test(place) || !places.includes(place)) open.set(name, [...places, place]);
    return YES;
  }

  async function closed(name: string, place: string): Promise<PamAnswer> {
    const places = open.get(name) ?? [];
    const at = Math.max(places.indexOf(place), 0);
    const left = places.filter((_, each) => each !== at);
    if (left.length > 0) {
      open.set(name, left);
      return YES;
    }
    open.delete(name);
    if (isSignedIn(name)) await agent.logout();
    return YES;
  }

  return async (request: LocalPamRequest, caller: Caller): Promise<PamAnswer> => {
    const words = LANGUAGES[languageOf(request.language)];
    const speaksForDevice = caller.limit === undefined;
    switch (request.type) {
      case 'auth':
        return auth(request, words, caller);
      case 'account':
        // Who has locked the screen, or was here before the agent was started again, has not typed the password since.
        return isSignedIn(request.user) && agent.status().session?.locked !== true
          ? YES
          : { yes: false, text: words.notSignedIn };
      case 'open_session':
        return speaksForDevice ? opened(request.user, caller.place) : NO;
      case 'close_session':
        return speaksForDevice ? closed(request.user, caller.place) : NO;
    }
  };
}
