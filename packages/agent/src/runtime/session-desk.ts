import { type LoginGranted, NO_VERSION, newestVersion, type UserBundle, type Version } from '@thinman/protocol';
import type { Effect } from '../core/effect.ts';
import type { Event } from '../core/event.ts';
import { takesBundle } from '../core/held.ts';
import type { CachedLogin } from '../ports.ts';
import type { Context } from './context.ts';
import type { Grants } from './grants.ts';
import { heard } from './heard.ts';
import type { RowFacts } from './late-rows.ts';
import { unlessTrouble } from './store.ts';

type Do<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** A logout waits for nobody; its server has this long to hear of it. */
const LOGOUT_DEADLINE_MS = 5_000;

/** Everything about open sessions that needs a key, a token or the disk. */
export function createSessionDesk(context: Context, grants: Grants) {
  const { client, cache, clock, keyring, attempts, dispatch } = context;
  const { bundleOf, derivedRequest, grantFacts, late, rowOf, saveGrant } = grants;
  const knownSubject = (user: string) => unlessTrouble(() => cache.knownSubject(user))?.done;

  /** Of an excluded group nothing is kept, whatever name an older row is under. The version is, so that no older answer counts. */
  function forget(user: string, userId: string, subject: Version): boolean {
    if (!cache.cachedUsers().some(held => held.userId === userId)) return true;
    const tombstone = { user, userId, reason: 'offline_withdrawn', subject } as const;
    return unlessTrouble(() => cache.commitLogin({ user, erase: true, tombstone })) !== undefined;
  }

  /** Wiped since the password was typed, or not kept at all: the proof of a session brings no row back. What it rests on is known all the same. */
  function keepVersion(user: string, userId: string, subject: Version): void {
    const word = cache.tombstone(userId);
    if (word?.reason !== 'forgotten' && word?.reason !== 'offline_withdrawn') return;
    cache.setTombstone({ ...word, user, subject: newestVersion(word.subject, subject) }, false);
  }

  return {
    refreshSession({ attempt, server, loginId }: Do<'refreshSession'>): void {
      const secrets = keyring.get(loginId);
      attempts.run(
        attempt,
        server,
        undefined,
        (target, signal) => client.refreshSession(target, secrets?.token ?? '', signal),
        answer => {
          const facts = heard(answer, ({ session, subject, serverTime }) => {
            if (secrets !== undefined) secrets.token = session.token;
            return { subject, serverTime, lifetimeMs: Math.max(session.expiresAt - serverTime, 0) };
          });
          const known = knownSubject(secrets?.user ?? '');
          dispatch({ kind: 'sessionAnswered', attempt, server, answer: facts, known });
        },
      );
    },

    proveSession({ attempt, server, loginId }: Do<'proveSession'>): void {
      const secrets = keyring.get(loginId);
      // By the time that is trusted now: the one that its login was dated by may have been wrong.
      const beganMs = context.nowMs() - Math.round(clock.monotonicMs() - (secrets?.typedAtMs ?? clock.monotonicMs()));
      const newLoginId = context.newId(beganMs);
      const session = { loginId, beganMs };
      const known = knownSubject(secrets?.user ?? '');
      const proved = (answer: Extract<Event, { kind: 'sessionProved' }>['answer']) =>
        dispatch({
          kind: 'sessionProved',
          attempt,
          server,
          newLoginId,
          answer,
          known: knownSubject(secrets?.user ?? ''),
        });
      if (secrets === undefined || secrets.ready.size === 0) return proved({ kind: 'no_keys' });
      const { cached, opened } = secrets;
      if (cached?.method === 'password') {
        const request = { loginId: newLoginId, user: secrets.user, userId: cached.userId };
        const held = opened === undefined ? {} : { held: opened.etag };
        attempts.run(
          attempt,
          server,
          undefined,
          (target, signal) => client.vouch(target, { ...request, ...held }, signal, session),
          answer => {
            const facts = heard(answer, granted => grantFacts(secrets, newLoginId, attempt, granted));
            // Nobody can vouch for it: the password must be typed.
            const isLocked = facts.kind === 'problem' && facts.problem.code === 'session_invalid';
            proved(isLocked ? { kind: 'no_keys' } : facts);
          },
        );
        return;
      }
      attempts.run(
        attempt,
        server,
        undefined,
        async (target, signal) => {
          const request = derivedRequest(secrets, newLoginId, target.keyHash);
          if (request === undefined) return { kind: 'failed', reason: 'aborted', detail: 'no keys', elapsedMs: 0 };
          const held = opened === undefined ? {} : { held: opened.etag };
          return client.login(target, { ...request, ...held }, known, signal, session);
        },
        answer => {
          const facts = heard(answer, granted => grantFacts(secrets, newLoginId, attempt, granted));
          proved(facts);
        },
      );
    },

    keepProof({ attempt, from, loginId }: Do<'keepProof'>): void {
      const granted = attempts.take(attempt) as LoginGranted;
      keyring.rename(from, loginId);
      const secrets = keyring.get(loginId);
      const bundle = secrets === undefined ? undefined : bundleOf(secrets, granted);
      if (secrets === undefined || bundle === undefined) return;
      secrets.token = granted.session.token;
      secrets.opened = bundle;
      unlessTrouble(() => {
        if (cache.cachedUsers().some(({ userId }) => userId === bundle.user.id)) saveGrant(secrets, granted, bundle);
        else keepVersion(secrets.user, bundle.user.id, granted.subject);
      });
    },

    /** A newer user bundle for the open session, sealed under the keys in memory where there is a row to renew. */
    keepBundle(loginId: string, bundle: UserBundle): boolean {
      const secrets = keyring.get(loginId);
      const before = secrets?.opened;
      if (secrets === undefined || before?.user.id !== bundle.user.id) return false;
      if (!takesBundle(before.version, bundle.version)) return false;
      secrets.opened = bundle;
      late.renew(secrets, bundle);
      const { user } = secrets;
      const row = unlessTrouble(() => cache.cachedLogin(user))?.done;
      // Of whom nothing is kept, or nothing any more, or no key is there: for the session all the same.
      const cached = row ?? secrets.cached;
      const save = cached === undefined ? undefined : rowOf(secrets, bundle, factsOf(cached));
      secrets.cached = save ?? secrets.cached;
      if (bundle.offline.keep === false) return forget(user, bundle.user.id, cached?.subject ?? NO_VERSION);
      if (row === undefined || save === undefined) return true;
      return unlessTrouble(() => cache.commitLogin({ user, save })) !== undefined;
    },

    endSession({ loginId, server }: Do<'endSession'>): void {
      const token = keyring.get(loginId)?.token;
      keyring.forget(loginId);
      const target = server === null ? undefined : context.server(server);
      if (token === undefined || target === undefined) return;
      const controller = new AbortController();
      const stop = context.clock.after(LOGOUT_DEADLINE_MS, () => controller.abort());
      client.logout(target, token, controller.signal).then(stop, context.defect);
    },
  };
}
export type SessionDesk = ReturnType<typeof createSessionDesk>;

function factsOf({ method, subject, credentialVersion, lastOnlineMs, used }: CachedLogin): RowFacts {
  return { method, subject, credentialVersion, lastOnlineMs, ...(used !== undefined && { used }) };
}
