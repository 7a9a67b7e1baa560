import type { UserBundle } from '@thinman/protocol';
import type { Context } from './context.ts';

/** Who works here. */
export type OpenSession = {
  readonly userId: string;
  readonly bundle: UserBundle;
  /** Came with the login, and lay on this device before. */
  readonly isKnown: boolean;
  /** The password of the login, where a connection signs on with it; undefined: not held. To be read at once, never to be kept. */
  signOn(): Buffer | undefined;
};

/** Tells who works here whenever that, or what they may, has changed: whatever it was that changed it. */
export function createSessionWatch({ state, keyring }: Context, tell: (session: OpenSession | null) => void) {
  let told: { readonly userId: string; readonly etag: string } | null = null;

  function end(): void {
    if (told === null) return;
    told = null;
    tell(null);
  }

  return {
    look(): void {
      const { session } = state();
      const secrets = session.kind === 'open' ? keyring.get(session.loginId) : undefined;
      const bundle = secrets?.opened;
      if (session.kind !== 'open' || secrets === undefined || bundle === undefined) return end();
      if (told?.userId === session.userId && told.etag === bundle.etag) return;
      // One person's connections end before another's begin.
      if (told?.userId !== session.userId) end();
      const isKnown = told === null && secrets.before === bundle.etag;
      told = { userId: session.userId, etag: bundle.etag };
      tell({
        userId: session.userId,
        bundle,
        isKnown,
        signOn: () => {
          const now = state().session;
          return now.kind === 'open' && now.userId === session.userId ? keyring.get(now.loginId)?.signOn : undefined;
        },
      });
    },
    end,
  };
}
