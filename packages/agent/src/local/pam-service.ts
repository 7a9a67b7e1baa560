import type { LocalPamRequest } from '@thinman/protocol';
import type { createFailureLimit } from './failure-limit.ts';
import type { LocalAgent } from './local-agent.ts';
import type { UnixAccounts } from './unix-accounts.ts';
import type { Words } from './words/shape.ts';
import { denial, LANGUAGES, languageOf } from './words/words.ts';

/** What PAM is told. `text`: one line for the person, or nothing. */
export type PamAnswer = { readonly yes: boolean; readonly text: string };

/** Who asks. `limit`: of the socket that anybody may open; whoever has no limit speaks for the device. */
type Caller = { readonly limit?: ReturnType<typeof createFailureLimit> };

const NO: PamAnswer = { yes: false, text: '' };
const YES: PamAnswer = { yes: true, text: '' };

/** Answers for pam_exec: who may log in, who has, and when their session is over. */
export function createPamService(agent: LocalAgent, accounts: UnixAccounts, onTrouble: (error: unknown) => void) {
  /** The name that PAM knows, and under which the agent signed that person in (`LAB\alice`, `alice@lab.test`). */
  const names = new Map<string, string>();
  /** Sessions of Unix that PAM has opened and not closed. */
  const open = new Map<string, number>();

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

  async function auth({ user: name, password = '' }: LocalPamRequest, words: Words, { limit }: Caller) {
    const user = meant(name);
    if (user === undefined) {
      return { yes: false, text: accounts.who(name).kind === 'local' ? words.ownAccount : words.notSignedIn };
    }
    // pam_exec hands on an empty one too: no user has it, and no attempt is lost to it.
    if (password === '') return { yes: false, text: words.reasons.credentials_invalid };
    const run = () => agent.login(user, password);
    const tried =
      limit === undefined ? { result: await run() } : await limit.attempt(run, ({ verdict }) => verdict === 'denied');
    if ('waitMs' in tried) return { yes: false, text: denial(words, 'too_many_attempts', tried.waitMs) };
    const { result } = tried;
    if (result.verdict === 'denied') return { yes: false, text: denial(words, result.reason, result.retryAfterMs) };
    const signedIn = agent.status().session?.user;
    if (signedIn !== undefined && signedIn !== user) names.set(user, signedIn);
    try {
      if (accounts.who(name).kind === 'user') accounts.make(user);
    } catch (error) {
      onTrouble(error);
      return { yes: false, text: words.accountTrouble };
    }
    return { yes: true, text: result.mode === 'offline' ? words.grantedOffline : (result.warning ?? '') };
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
        return isSignedIn(request.user) ? YES : { yes: false, text: words.notSignedIn };
      case 'open_session':
        if (!speaksForDevice) return NO;
        open.set(request.user, (open.get(request.user) ?? 0) + 1);
        return YES;
      case 'close_session':
        return speaksForDevice ? closed(request.user) : NO;
    }
  };
}
