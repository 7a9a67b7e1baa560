import { EMERGENCY_LIFTS, type LocalPamRequest, readEmergencyCode } from '@thinman/protocol';
import type { createFailureLimit } from './failure-limit.ts';
import type { LocalAgent } from './local-agent.ts';
import type { UnixAccounts } from './unix-accounts.ts';
import type { Words } from './words/shape.ts';
import { denial, emergencyWords, LANGUAGES, languageOf } from './words/words.ts';

/** What PAM is told. `text`: one line for the person, or nothing. */
export type PamAnswer = { readonly yes: boolean; readonly text: string };

/** Who asks. `limit`: of the socket that anybody may open; whoever has no limit speaks for the device. */
type Caller = { readonly limit?: ReturnType<typeof createFailureLimit> };

/** Where time comes from. `after` runs something later, and gives how to stop it. */
export type PamTime = { readonly after: (delayMs: number, action: () => void) => () => void };

const NO: PamAnswer = { yes: false, text: '' };
const YES: PamAnswer = { yes: true, text: '' };

/** From the old password to the new one, typed twice: a person at a login screen. Then the old one is forgotten. */
export const CHANGE_WITHIN_MS = 3 * 60_000;

/** Answers for pam_exec: who may log in, who has, and when their session is over. */
export function createPamService(
  agent: LocalAgent,
  accounts: UnixAccounts,
  onTrouble: (error: unknown) => void,
  { after }: PamTime,
) {
  /** The name that PAM knows, and under which the agent signed that person in (`LAB\alice`, `alice@lab.test`). */
  const names = new Map<string, string>();
  /** Sessions of Unix that PAM has opened and not closed. */
  const open = new Map<string, number>();
  /** Whoever has typed an expired password last: pam_exec hands on the new one alone when it is changed (ADR 0073). */
  let expired: { readonly name: string; readonly user: string; readonly password: string } | undefined;
  let stopForgetting = () => {};

  function remember(who: typeof expired): void {
    stopForgetting();
    expired = who;
    stopForgetting = who === undefined ? () => {} : after(CHANGE_WITHIN_MS, () => remember(undefined));
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

  async function auth(request: LocalPamRequest, words: Words, { limit }: Caller): Promise<PamAnswer> {
    const { user: name, password = '' } = request;
    const user = meant(name);
    if (user === undefined) {
      return { yes: false, text: accounts.who(name).kind === 'local' ? words.ownAccount : words.notSignedIn };
    }
    // pam_exec hands on an empty one too: no user has it, and no attempt is lost to it.
    if (password === '') return { yes: false, text: words.reasons.credentials_invalid };
    if (limit === undefined) remember(undefined);
    const run = () => tryLogin(user, password, words);
    const tried = limit === undefined ? { result: await run() } : await limit.attempt(run, ({ yes }) => !yes);
    if ('waitMs' in tried) return { yes: false, text: denial(words, 'too_many_attempts', tried.waitMs) };
    const { reason = null, ...answer } = tried.result;
    const mayChange = request.changes === 'yes' && limit === undefined && accounts.who(name).kind === 'user';
    if (reason === 'password_expired' && mayChange && makeAccount(user, words, true) === undefined) {
      remember({ name, user, password });
      return YES;
    }
    if (!answer.yes || accounts.who(name).kind !== 'user') return answer;
    return makeAccount(user, words) ?? answer;
  }

  /** One login; where only a code by telephone helps, what was typed may be one. */
  async function tryLogin(
    user: string,
    password: string,
    words: Words,
  ): Promise<PamAnswer & { reason?: string | null }> {
    const { verdict, reason, retryAfterMs, mode, warning = '' } = await agent.login(user, password);
    if (verdict === 'denied') {
      const helped = EMERGENCY_LIFTS.some(lifted => lifted === reason) ? byTelephone(user, password, words) : undefined;
      return { yes: false, reason, text: helped ?? denial(words, reason, retryAfterMs) };
    }
    const signedIn = agent.status().session?.user;
    if (signedIn !== undefined && signedIn !== user) names.set(user, signedIn);
    return { yes: true, text: mode === 'offline' ? words.grantedOffline : warning };
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
  function makeAccount(user: string, words: Words, mustChange = false): PamAnswer | undefined {
    try {
      // Without records nobody could be told by PAM that the password has to be changed.
      return accounts.make(user, mustChange) || !mustChange ? undefined : NO;
    } catch (error) {
      onTrouble(error);
      return { yes: false, text: words.accountTrouble };
    }
  }

  function account(name: string, words: Words): PamAnswer {
    if (isSignedIn(name)) return YES;
    // The next module says that the password has to be changed: this one has nothing to add.
    return expired?.name === name ? NO : { yes: false, text: words.notSignedIn };
  }

  /** The new password, after an expired one was typed here. Whoever has changed it is signed in. */
  async function change({ user: name, password = '' }: LocalPamRequest, words: Words): Promise<PamAnswer> {
    if (expired?.name !== name) return { yes: false, text: words.changeElsewhere };
    const { user, password: old } = expired;
    const { changed, reason, retryAfterMs } = await agent.changePassword(user, old, password);
    if (!changed) return { yes: false, text: denial(words, reason, retryAfterMs) };
    remember(undefined);
    const answer = await tryLogin(user, password, words);
    return (answer.yes ? makeAccount(user, words) : undefined) ?? { yes: answer.yes, text: answer.text };
  }

  async function closed(name: string): Promise<PamAnswer> {
    const left = (open.get(name) ?? 1) - 1;
    if (left > 0) {
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
        return account(request.user, words);
      case 'password':
        return speaksForDevice ? change(request, words) : { yes: false, text: words.changeElsewhere };
      case 'open_session':
        if (!speaksForDevice) return NO;
        open.set(request.user, (open.get(request.user) ?? 0) + 1);
        return YES;
      case 'close_session':
        return speaksForDevice ? closed(request.user) : NO;
    }
  };
}
