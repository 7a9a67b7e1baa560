import type { SessionsAnswer, UserActAnswer, UserBody } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Actor, AdminDeps, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';

type Act = (body: UserBody, nowMs: number) => UserBody;

/** Failures so far count no more, and the administrator's lock is lifted. */
const unlocked: Act = ({ locked: _lifted, ...body }, nowMs) => ({ ...body, unlockedAt: new Date(nowMs).toISOString() });
/** What began up to now is not refreshed. One millisecond more: a session that began in this very one is meant too. */
const ended: Act = (body, nowMs) => ({ ...body, sessionsNotBefore: new Date(nowMs + 1).toISOString() });

export const unlockUser = (deps: WriteDeps, actor: Actor, user: string) => change(deps, actor, user, unlocked);
export const endSessions = (deps: WriteDeps, actor: Actor, user: string) => change(deps, actor, user, ended);

async function change(deps: WriteDeps, actor: Actor, name: string, act: Act): Promise<Outcome<UserActAnswer>> {
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<boolean>> => {
    const user = await transaction.get('User', name);
    if (user === undefined) return { result: false, touched: [] };
    const body = act(user.body as UserBody, deps.clock.nowMs());
    await transaction.put('User', name, { ...body }, { ...user.system });
    return { result: true, touched: [{ kind: 'User', name, change: 'updated' }] };
  });
  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  if (!result) return refused('not_found', { detail: `There is no User "${name}".` });
  return done({ epoch: version.epoch, generation: version.generation, name });
}

/** As far as servers see each other. */
export function sessionsHere({ sessions, unseen, identity, replica }: AdminDeps): Outcome<SessionsAnswer> {
  const items = (sessions?.() ?? []).map(({ device, userId, user, mode, sinceMs: since, server }) => ({
    ...{ device, userId, mode, since, server },
    user: user ?? replica.findByUid('User', userId)?.name ?? null,
  }));
  return done({ server: identity.name, items, unseen: [...(unseen?.() ?? [])] });
}
