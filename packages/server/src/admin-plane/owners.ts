import type { AdministratorBody } from '@thinman/protocol';

type AdministratorRow = {
  readonly body: Readonly<Record<string, unknown>>;
  /** A password is held, or comes with this change. */
  readonly hasPassword: boolean;
};

/** Can log in and do everything. */
function isAbleOwner({ body, hasPassword }: AdministratorRow): boolean {
  const { role, disabled } = body as AdministratorBody;
  return role === 'owner' && disabled !== true && hasPassword;
}

/** A site that has an owner who can log in must not lose the last one. */
export function losesLastOwner(before: readonly AdministratorRow[], after: readonly AdministratorRow[]): boolean {
  return before.some(isAbleOwner) && !after.some(isAbleOwner);
}
