import {
  type AgentStatus,
  type DeviceBundle,
  type EffectiveSettings,
  type LoginResult,
  NO_VERSION,
} from '@thinman/protocol';
import { maySamePerson } from '../core/same-person.ts';
import { isLocked, type KeptSession, keptOf, modeOf } from '../core/state.ts';
import type { SessionStore } from '../ports.ts';
import { autologinOf, createAutologinDesk } from './autologin-desk.ts';
import type { Context } from './context.ts';

const MINUTE_MS = 60_000;
const LOGIN_MESSAGE = 'session.loginMessage';
const UNLOCK_BY = 'session.unlockBy';
const LOCK_AFTER = 'session.lockAfterMinutes';
const LOGOUT_AFTER = 'session.logoutAfterMinutes';
/** As the catalogue has it, where no policy says otherwise. */
const DEFAULT_LOCK_MINUTES = 10;

type Deps = {
  readonly store: SessionStore | undefined;
  deviceBundle(): DeviceBundle | undefined;
  /** One login, whoever asks. */
  request(user: string, password: string): Promise<LoginResult>;
  /** What happened until the agent was ready is on the disk. */
  isSettled(): boolean;
};

/** Who sits at the device: the locked screen, who gets past it, and who is signed in without anybody there (ADR 0082, 0083). */
export function createScreenDesk(
  { clock, keyring, state, dispatch, record }: Pick<Context, 'clock' | 'keyring' | 'state' | 'dispatch' | 'record'>,
  { store, deviceBundle, request, isSettled }: Deps,
) {
  const found = store?.load();
  // Nobody could unlock the session of a kiosk: it is simply begun anew.
  const isOver = found?.isOfThisBoot !== true || autologinOf(deviceBundle()?.settings)?.user === found.session.user;
  const restored = isOver ? undefined : found?.session;
  let kept = found?.session;
  const autologin = createAutologinDesk({
    clock,
    state,
    settings: () => deviceBundle()?.settings,
    login: ({ user, password }) => request(user, password),
    isSame,
    end: () => dispatch({ kind: 'logoutRequested' }),
  });

  function isSame(user: string, other: string): boolean {
    return maySamePerson(user, other, state().site);
  }

  /** What holds here now: of whoever works here before that of the device. */
  function settings(): EffectiveSettings {
    const { session } = state();
    const own = session.kind === 'open' ? keyring.get(session.loginId)?.opened?.settings : undefined;
    return { ...deviceBundle()?.settings, ...own };
  }

  function minutesMs(key: string, unset: number): number {
    const minutes = settings()[key];
    return (typeof minutes === 'number' ? minutes : unset) * MINUTE_MS;
  }

  function keep(): void {
    if (store === undefined || state().phase === 'new') return;
    const session = keptOf(state());
    if (JSON.stringify(session) === JSON.stringify(kept)) return;
    // Its end is not told yet: whoever is started after this agent was killed finds it once more, and tells it.
    if (session === undefined && !isSettled()) return;
    kept = session;
    store.save(session);
  }

  /** Of a kiosk nobody has the password. */
  const isKiosk = () => {
    const { session } = state();
    return session.kind === 'open' && autologin.isAccount(session.user);
  };

  const isKeptLocked = () => deviceBundle()?.settings[UNLOCK_BY] === 'same-user';

  /** Whose session is locked so that nobody else gets in. */
  function keeper(): string | undefined {
    const { session } = state();
    return session.kind === 'open' && isLocked(session) && !isKiosk() && isKeptLocked() ? session.user : undefined;
  }

  function refusalFor(user: string): string | undefined {
    // By the form of a name alone, so that no attempt of the account is used up: a person whose name may mean it too is refused as well.
    if (autologin.isAccount(user)) return 'autologin_only';
    const kept = keeper();
    return kept === undefined || isSame(user, kept) ? undefined : 'session_locked';
  }

  async function login(user: string, password: string): Promise<LoginResult> {
    const reason = refusalFor(user);
    // Under the name of the session: whoever else the typed one may mean has another password.
    if (reason === undefined) return request(keeper() ?? user, password);
    // No server is asked, nothing is counted, and whether the password is right is not said.
    const denied = { verdict: 'denied', reason, mode: modeOf(state()), server: null, elapsedMs: 0 } as const;
    record('login', { ...denied, subject: null }, user);
    return { ...denied, user, ...NO_VERSION };
  }

  return {
    /** Who works here from the start on, locked; undefined: nobody. */
    initial: (): KeptSession | undefined => restored,
    /** The machine was started anew, and with it went whatever was open on it; or a kiosk begins by itself. */
    start(): void {
      if (found === undefined || restored !== undefined) return;
      const { user, loginId } = found.session;
      const reason = found.isOfThisBoot ? 'agent_restarted' : 'device_restarted';
      record('session.ended', { reason, loginId }, user);
    },
    /**
     * Before somebody is told of a grant: nobody else is to be found here again, wherever the agent is killed (ADR 0104). Gone is enough for
     * that: whoever works here is written down behind the answer. What is kept of the same person may be older for a moment.
     */
    forgetOthers(): void {
      const { session } = state();
      if (store === undefined || session.kind !== 'open' || kept === undefined || kept.userId === session.userId)
        return;
      kept = undefined;
      store.save(undefined);
    },
    keep,
    /** After everything that happens. */
    look(): void {
      keep();
      autologin.look();
    },
    login,
    /** The password of whoever is signed in; undefined: nobody is. A wrong one ends nothing. */
    async unlock(password: string): Promise<LoginResult | undefined> {
      const { session } = state();
      return session.kind === 'open' ? login(session.user, password) : undefined;
    },
    lock(): void {
      if (!isKiosk()) dispatch({ kind: 'lockRequested' });
    },
    /** Whether whoever stands here may end the session, or only whoever it is of. */
    mayEnd: (): boolean => !isLocked(state().session) || isKiosk() || !isKeptLocked(),
    activity(isIdle: boolean): void {
      const lockAfterMs = isKiosk() ? 0 : minutesMs(LOCK_AFTER, DEFAULT_LOCK_MINUTES);
      dispatch({ kind: 'activityReported', isIdle, lockAfterMs, logoutAfterMs: minutesMs(LOGOUT_AFTER, 0) });
    },
    /** What login screens show beside the state of the agent. */
    shown(): Pick<AgentStatus, 'autologin' | 'loginMessage'> {
      const message = deviceBundle()?.settings[LOGIN_MESSAGE];
      const account = autologin.status();
      return {
        ...(account !== undefined && { autologin: account }),
        ...(typeof message === 'string' && message.trim() !== '' && { loginMessage: message }),
      };
    },
    stop: autologin.stop,
  };
}
