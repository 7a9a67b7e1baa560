import type { CaPhase, CaStepAnswer } from '@thinman/protocol';
import type { Actor, WriteDeps } from '../admin-plane/admin-deps.ts';
import { commit, refusalUnlessPrimary, type Work } from '../admin-plane/commit.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { CommitTransaction } from '../ports.ts';
import type { CaKeys } from './ca-keys.ts';
import { caPhase } from './ca-phase.ts';
import { type CaStatusDeps, caStatus } from './ca-status.ts';
import { createSiteCa } from './certificate-authority.ts';
import { pinOf, pinsOf } from './pins.ts';
import { formatRecoveryCode, lastWrappedCaKey, newRecoveryCode, wrapCaKeys } from './recovery-code.ts';
import type { Restate } from './restate.ts';

export type CaRotationDeps = CaStatusDeps & {
  readonly keys: CaKeys;
  readonly write: WriteDeps;
  readonly restate: Restate;
};

type StepOutcome = CaStepAnswer['outcome'];
/** What a step makes of the CAs, inside the transaction. */
type Change = (transaction: CommitTransaction, phase: CaPhase) => Promise<StepOutcome>;

/**
 * The change of the site's CA, in three commits (ADR 0015). Each step is one commit of the site row, from which all servers
 * take what they trust and who issues: a crash leaves the site before it or after it, and the step can be repeated.
 */
export type CaRotation = {
  status(): Promise<Outcome<CaStepAnswer['status']>>;
  /** Makes the next CA known; again: the same CA with another recovery code. */
  begin(actor: Actor): Promise<Outcome<CaStepAnswer>>;
  /** The next CA issues and signs from now on. */
  switch(actor: Actor, force: boolean): Promise<Outcome<CaStepAnswer>>;
  /** The old CA counts no more. */
  finish(actor: Actor, force: boolean): Promise<Outcome<CaStepAnswer>>;
};

export function createCaRotation(deps: CaRotationDeps): CaRotation {
  const { keys, write, restate, identity } = deps;

  async function step(actor: Actor, data: Record<string, unknown>, change: Change): Promise<Outcome<CaStepAnswer>> {
    const outcome = await commit(write, actor, async (transaction): Promise<Work<StepOutcome>> => {
      const { caCertificates } = await transaction.siteCas();
      const result = await change(transaction, caPhase(caCertificates, keys));
      if (result !== 'done') return { result, touched: [] };
      await restate(transaction);
      return { result, touched: [{ kind: 'Site', name: 'ca', change: 'updated' }] };
    });
    if (!outcome.ok) return outcome;
    const status = await caStatus(deps);
    if (outcome.value.result === 'done') {
      const caPins = status.cas.map(({ pin }) => pin);
      // The commit stands, and has an event of its own: a full disk takes no recovery code away.
      const told = write.events.write('ca.changed', { phase: status.phase, caPins, actor: actor.name, ...data });
      await Promise.allSettled([told]);
    }
    return done({ outcome: outcome.value.result, status });
  }

  /** Refuses while somebody is not ready, unless this step has been made, or is not the next one. */
  async function unlessWaiting(from: CaPhase, force: boolean): Promise<Outcome<CaStepAnswer> | undefined> {
    const notHere = refusalUnlessPrimary(write);
    if (notHere !== undefined) return notHere;
    if (force) return undefined;
    const status = await caStatus(deps);
    return status.phase === from && status.waitingFor.length > 0 ? done({ outcome: 'waiting', status }) : undefined;
  }

  /** Its key is kept here from the first attempt on: however often that is repeated, it is one CA. */
  async function nextCa(known: string | undefined): Promise<{ key: ReturnType<CaKeys['prepareNext']>; pem: string }> {
    const key = known === undefined ? undefined : keys.find(pinOf(known));
    if (known !== undefined && key !== undefined) return { key, pem: known };
    const made = await createSiteCa(identity.siteId, deps.clock.nowMs(), keys.prepareNext());
    return { key: made.key, pem: made.certificatePem };
  }

  return {
    async status() {
      return refusalUnlessPrimary(write) ?? done(await caStatus(deps));
    },
    async begin(actor) {
      const notHere = refusalUnlessPrimary(write);
      if (notHere !== undefined) return notHere;
      const code = newRecoveryCode();
      let repeated = false;
      try {
        const made = await step(actor, {}, async (transaction, phase) => {
          if (phase === 'switched') return 'too_early';
          const { caCertificates, wrappedCaKey } = await transaction.siteCas();
          const [current = '', known] = caCertificates;
          repeated = known !== undefined;
          // A finish that was cut off may have left the key of this very CA where the next one's belongs.
          if (known === undefined) keys.settle(pinOf(current));
          const currentKey = keys.find(pinOf(current));
          if (currentKey === undefined) throw new Error('the key of the CA that issues is not on this server');
          const next = await nextCa(known);
          await transaction.setSiteCas({
            caCertificates: [current, next.pem],
            wrappedCaKey: wrapCaKeys(wrappedCaKey, [currentKey, next.key], code, identity.siteId),
          });
          return 'done';
        });
        if (!made.ok || made.value.outcome !== 'done') return made;
        return done({ ...made.value, recoveryCode: formatRecoveryCode(code), repeated });
      } finally {
        code.fill(0);
      }
    },
    async switch(actor, force) {
      const waiting = await unlessWaiting('begun', force);
      if (waiting !== undefined) return waiting;
      return step(actor, { forced: force }, async (transaction, phase) => {
        if (phase !== 'begun') return phase === 'switched' ? 'already' : 'too_early';
        const { caCertificates, wrappedCaKey } = await transaction.siteCas();
        // Its key was lost between two hosts: `begin` makes another one.
        if (pinsOf(caCertificates).some(pin => keys.find(pin) === undefined)) return 'too_early';
        await transaction.setSiteCas({ caCertificates: caCertificates.toReversed(), wrappedCaKey });
        return 'done';
      });
    },
    async finish(actor, force) {
      const waiting = await unlessWaiting('switched', force);
      if (waiting !== undefined) return waiting;
      return step(actor, { forced: force }, async (transaction, phase) => {
        if (phase !== 'switched') return phase === 'steady' ? 'already' : 'too_early';
        const { caCertificates, wrappedCaKey } = await transaction.siteCas();
        await transaction.setSiteCas({
          caCertificates: caCertificates.slice(0, 1),
          wrappedCaKey: lastWrappedCaKey(wrappedCaKey),
        });
        return 'done';
      });
    },
  };
}

/** The change of the CA with the keys that are here at each call: a promotion brings them. */
export function rotationNow(now: () => CaRotation): CaRotation {
  return {
    status: () => now().status(),
    begin: actor => now().begin(actor),
    switch: (actor, force) => now().switch(actor, force),
    finish: (actor, force) => now().finish(actor, force),
  };
}

/** Where no key of a CA lies. */
export function noCaRotation(write: WriteDeps): CaRotation {
  const nowhere = async () =>
    refusalUnlessPrimary(write) ?? refused('not_primary', { detail: 'The site CA is not here.' });
  return { status: nowhere, begin: nowhere, switch: nowhere, finish: nowhere };
}
