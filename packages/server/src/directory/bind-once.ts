import type { Clock } from '../ports.ts';
import { type BindResult, type Connection, NoAnswer } from './connection.ts';
import type { LdapServer } from './ldap-server.ts';
import { Undecided } from './ldap-servers.ts';

/** An answer that takes longer makes the server show that it lives: a controller may ask another one about a wrong password. */
const SUSPICION_MS = 1_000;

/**
 * One bind with a typed password. Its answer is waited for as long as the server lives, up to the deadline. Rejects with NoAnswer when
 * the server is dead, so that another one may be asked; with Undecided when it lives and has not answered: it may have counted.
 */
export async function bindOnce(
  server: Pick<LdapServer, 'lives'>,
  connection: Connection,
  name: string,
  password: string,
  deadlineMs: number,
  clock: Clock,
): Promise<BindResult> {
  const outcome = connection.bind(name, password, deadlineMs).then(
    result => ({ kind: 'answered', result }) as const,
    (error: unknown) => ({ kind: 'failed', error }) as const,
  );
  for (;;) {
    const slow = suspicion(clock);
    const seen = await Promise.race([outcome, slow.begins]);
    slow.cancel();
    if (seen.kind === 'answered') return seen.result;
    if (seen.kind === 'failed' && !(seen.error instanceof NoAnswer)) throw seen.error;
    if (!(await server.lives())) {
      connection.close();
      throw new NoAnswer('the server died before it answered a bind', { silent: true });
    }
    if (seen.kind === 'failed') throw new Undecided('the server lives and did not answer a bind');
  }
}

/** The same for what changes nothing: a long search is waited for as long as its server lives. Rejects with NoAnswer when it is dead. */
export async function whileAlive<T>(server: Pick<LdapServer, 'lives'>, work: Promise<T>, clock: Clock): Promise<T> {
  const outcome = work.then(
    value => ({ kind: 'done', value }) as const,
    (error: unknown) => ({ kind: 'failed', error }) as const,
  );
  for (;;) {
    const slow = suspicion(clock);
    const seen = await Promise.race([outcome, slow.begins]);
    slow.cancel();
    if (seen.kind === 'done') return seen.value;
    if (seen.kind === 'failed') throw seen.error;
    if (!(await server.lives())) throw new NoAnswer('the server died in the middle of a search', { silent: true });
  }
}

function suspicion(clock: Clock) {
  const { promise: begins, resolve } = Promise.withResolvers<{ readonly kind: 'slow' }>();
  return { begins, cancel: clock.after(SUSPICION_MS, () => resolve({ kind: 'slow' })) };
}
