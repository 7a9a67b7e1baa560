import type { ObjectKind } from '@thinman/protocol';
import { credentialFingerprint, hasPassword } from '../../packages/server/src/admin-plane/credentials.ts';
import { type ApplyPlan, planApply } from '../../packages/server/src/admin-plane/plan-apply.ts';
import { present } from '../../packages/server/src/admin-plane/present.ts';
import { readInputs } from '../../packages/server/src/admin-plane/read-inputs.ts';
import { loadSiteView, type SiteReader } from '../../packages/server/src/admin-plane/site-view.ts';
import type { StoredObject } from '../../packages/server/src/ports.ts';

/** Seals by writing the context in front: whoever looks for the plain text in a body still finds nothing there. */
export const paperSealer = {
  seal: (plain: string, context: string) => Buffer.from(`${context}\n${plain}`).toString('base64url'),
  open(sealed: string, context: string) {
    const [place, ...plain] = Buffer.from(sealed, 'base64url').toString().split('\n');
    if (place !== context) throw new Error('sealed for another place');
    return plain.join('\n');
  },
};

/** Objects in memory and the planner above them: no database, no hashing (a password is its own credential). */
export function plannedSite(objects: readonly Partial<StoredObject>[] = []) {
  const held = new Map<string, StoredObject>();
  let generation = 1;
  const put = (kind: ObjectKind, name: string, more: Partial<StoredObject>) =>
    void held.set(`${kind}/${name}`, {
      uid: `${kind}-${name}`,
      generation,
      body: {},
      system: {},
      deleted: false,
      ...more,
      kind,
      name,
    });
  for (const { kind = 'User', name = '', ...more } of objects) put(kind, name, more);

  const reader: SiteReader = {
    get: async (kind, name) => held.get(`${kind}/${name}`),
    list: async kind => [...held.values()].filter(object => object.kind === kind),
  };

  async function plan(inputs: readonly unknown[]): Promise<ApplyPlan> {
    const read = readInputs(inputs);
    const passwords = read.inputs.filter(hasPassword).map(input => {
      const stored = held.get(`${input.kind}/${input.name}`);
      const password = String(input.body.password);
      const fits = JSON.stringify(stored?.system ?? {}).includes(JSON.stringify(password));
      const fresh =
        input.kind === 'User'
          ? {
              kdf: { algorithm: 'argon2id', memoryKib: 19456, passes: 2, lanes: 1 } as const,
              salt: 'c2FsdA',
              publicKey: password,
            }
          : { passwordSalt: 'c2FsdA', passwordHash: password };
      return [
        input.index,
        { against: credentialFingerprint(input.kind, stored), fits, ...(fits ? {} : { fresh }) },
      ] as const;
    });
    const view = await loadSiteView(reader, read.inputs);
    return planApply(read, view, { passwords: new Map(passwords), sealer: paperSealer, nowMs: 1_000 });
  }

  return {
    plan,
    /** The mistakes as `index KIND NAME field`, and the words. */
    async mistakes(...inputs: readonly unknown[]): Promise<readonly string[]> {
      const made = await plan(inputs);
      if (made.kind !== 'refused') return [];
      return made.problems.map(
        ({ index, kind, name, field, message }) => `${index} ${kind} ${name} ${field}: ${message}`,
      );
    },
    /** `created`, `updated`, `unchanged` in the order of the inputs; they are then held. */
    async apply(...inputs: readonly unknown[]): Promise<readonly string[]> {
      const made = await plan(inputs);
      if (made.kind !== 'planned') throw new Error(JSON.stringify(made));
      generation++;
      for (const { kind, name, change, body, system } of made.items) {
        if (change !== 'unchanged') put(kind, name, { body, system });
      }
      return made.items.map(({ change }) => change);
    },
    /** As `GET` gives them. */
    given: () => [...held.values()].map(object => present(object)),
    held: (kind: ObjectKind, name: string) => held.get(`${kind}/${name}`),
  };
}
