import type { SessionsAnswer, UserActAnswer, UserBody } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Actor, AdminDeps, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';
import { userMeant } from './user-meant.ts';

type Act = (body: UserBody, nowMs: number) => UserBody;
type ActDeps = WriteDeps & Pick<AdminDeps, 'directories'>;

/** Failures so far count no more, and the administrator's lock is lifted. */
const unlocked: Act = ({ locked: _lifted, ...body }, nowMs) => ({ ...body, unlockedAt: new Date(nowMs).toISOString() });
/** What began up to now is not refreshed. One millisecond more: a session that began in this very one is meant too. */
const ended: Act = (body, nowMs) => ({ ...body, sessionsNotBefore: new Date(nowMs + 1).toISOString() });

export const unlockUser = (deps: ActDeps, actor: Actor, user: string) => change(deps, actor, user, unlocked);
export const endSessions = (deps: ActDeps, actor: Actor, user: string) => change(deps, actor, user, ended);

/** A directory's user has no object until something is said of one: it is made here. */
async function change(deps: ActDeps, actor: Actor, typed: string, act: Act): Promise<Outcome<UserActAnswer>> {
  const meant = await userMeant(deps, typed);
  if (!meant.ok) return meant;
  const { name, mayBeMade } = meant.value;
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<boolean>> => {
    const user = await transaction.get('User', name);
    if (user === undefined && !mayBeMade) return { result: false, touched: [] };
    const body = act((user?.body ?? {}) as UserBody, deps.clock.nowMs());
    await transaction.put('User', name, { ...body }, { ...user?.system });
    return { result: true, touched: [{ kind: 'User', name, change: user === undefined ? 'created' : 'updated' }] };
  });
  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  if (!result) return refused('not_found', { detail: `There is no User "${name}".` });
  return done({ epoch: version.epoch, generation: version.generation, name, ...(mayBeMade && { ofDirectory: true }) });
}

/** As far as servers see each other. */
export function sessionsHere({ sessions, unseen, identity, replica }: AdminDeps): Outcome<SessionsAnswer> {
  const items = (sessions?.() ?? []).map(({ device, userId, user, mode, sinceMs: since, server }) => ({
    ...{ device, userId, mode, since, server },
    user: user ?? replica.findByUid('User', userId)?.name ?? null,
  }));
  return done({ server: identity.name, items, unseen: [...(unseen?.() ?? [])] });
}
