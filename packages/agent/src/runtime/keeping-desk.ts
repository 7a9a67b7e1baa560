import { type DeviceBundle, MAX_EVENTS_PER_BATCH, type UserBundle, type Version } from '@thinman/protocol';
import type { Effect } from '../core/effect.ts';
import type { BundleAnswer } from '../ports.ts';
import type { Context } from './context.ts';
import { fittingBatch } from './event-batch.ts';
import { heard } from './heard.ts';
import type { SessionDesk } from './session-desk.ts';
import { unlessTrouble } from './store.ts';

type Do<K extends Effect['kind']> = Extract<Effect, { kind: K }>;
type Fetched =
  | { readonly which: 'device'; readonly answer: BundleAnswer<DeviceBundle> }
  | { readonly which: 'user'; readonly answer: BundleAnswer<UserBundle> };

/** Bundles and events on their way between servers and the disk. */
export function createKeepingDesk(
  context: Context,
  sessions: SessionDesk,
  onDeviceBundle: (bundle: DeviceBundle) => void,
) {
  const { cache, client, attempts, dispatch, keyring } = context;

  function openLogin() {
    const { session } = context.state();
    return session.kind === 'open' ? { loginId: session.loginId, secrets: keyring.get(session.loginId) } : undefined;
  }

  function pullDevice(attempt: number, server: string): void {
    attempts.run(
      attempt,
      server,
      undefined,
      (target, signal) => client.deviceBundle(target, cache.deviceBundle()?.etag, signal),
      answer =>
        arrived(attempt, server, 'device', answer.kind === 'ok' ? answer.value : undefined, () =>
          heard(answer, factsOf),
        ),
    );
  }

  function pullUser(attempt: number, server: string): void {
    const secrets = openLogin()?.secrets;
    attempts.run(
      attempt,
      server,
      undefined,
      (target, signal) => client.userBundle(target, secrets?.token ?? '', secrets?.opened?.etag, signal),
      answer =>
        arrived(attempt, server, 'user', answer.kind === 'ok' ? answer.value : undefined, () => heard(answer, factsOf)),
    );
  }

  function arrived(
    attempt: number,
    server: string,
    which: 'device' | 'user',
    answer: BundleAnswer<DeviceBundle> | BundleAnswer<UserBundle> | undefined,
    facts: () => ReturnType<typeof heard<BundleAnswer<{ version: Version }>, { version: Version; changed: boolean }>>,
  ): void {
    if (answer !== undefined) attempts.keep(attempt, { which, answer });
    dispatch({ kind: 'bundleAnswered', attempt, which, server, answer: facts() });
  }

  return {
    pullBundle({ attempt, which, server }: Do<'pullBundle'>): void {
      if (which === 'device') pullDevice(attempt, server);
      else pullUser(attempt, server);
    },

    keepBundle({ attempt }: Do<'keepBundle'>): void {
      const { which, answer } = attempts.take(attempt) as Fetched;
      if (which === 'user') {
        const login = openLogin();
        if (!answer.changed || login === undefined || !sessions.keepBundle(login.loginId, answer.bundle)) return;
        const { etag, version } = answer.bundle;
        if (!context.toldByAppliers) context.record('bundle.applied', { which, etag, version }, login.secrets?.user);
        return;
      }
      const held = cache.deviceBundle();
      if (answer.changed) {
        cache.saveDeviceBundle(answer.bundle);
        onDeviceBundle(answer.bundle);
        const { etag, version } = answer.bundle;
        if (!context.toldByAppliers) context.record('bundle.applied', { which, etag, version });
      } else if (held !== undefined) {
        cache.saveDeviceBundle({ ...held, version: answer.version });
      }
    },

    deliverEvents({ attempt, server }: Do<'deliverEvents'>): void {
      const events = fittingBatch(cache.pendingEvents(MAX_EVENTS_PER_BATCH));
      if (events.length === 0) {
        dispatch({ kind: 'eventsAnswered', attempt, server, answer: { kind: 'ok', value: { more: false } } });
        return;
      }
      attempts.run(
        attempt,
        server,
        undefined,
        (target, signal) => client.sendEvents(target, events, signal),
        answer => {
          const facts = heard(answer, ({ stored }) => {
            const ids = new Set(stored);
            const taken = events.filter(({ id }) => ids.has(id)).map(({ id }) => id);
            unlessTrouble(() => cache.removeEvents(taken));
            // An answer that stores nothing would be asked for ever.
            return taken.length === 0 ? undefined : { more: cache.pendingEventCount() > 0 };
          });
          dispatch({ kind: 'eventsAnswered', attempt, server, answer: facts });
        },
      );
    },
  };
}

function factsOf(answer: BundleAnswer<{ readonly version: Version }>) {
  return { version: answer.changed ? answer.bundle.version : answer.version, changed: answer.changed };
}
