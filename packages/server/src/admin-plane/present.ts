import type {
  AdministratorSystem,
  AssignmentBody,
  DeviceSystem,
  EnrollmentTokenSystem,
  ObjectOutput,
  RolloutDevices,
  RolloutSystem,
  ServerSystem,
  ShownLockout,
  UserSystem,
} from '@thinman/protocol';
import { isOut } from '../core/rollout.ts';
import { isActive } from '../core/staged-index.ts';
import type { StoredObject } from '../ports.ts';

/** What is known of a rollout that is out, beside its object: by the Primary alone, which counts. */
export type StandingOf = (
  rollout: string,
) => { readonly devices: RolloutDevices | undefined; readonly isCounting: boolean } | undefined;

/** What servers know of objects beside them. */
export type Beside = {
  readonly standingOf?: StandingOf | undefined;
  /** Where a user is refused now because of failed logins. */
  readonly lockoutsOf?: ((user: string) => readonly ShownLockout[]) | undefined;
};

/** An object as it is given out. What servers keep beside the body is shown only where it is safe and of use. */
export function present(object: StoredObject, beside: Beside = {}): ObjectOutput {
  const status = statusOf(object, beside);
  return {
    kind: object.kind,
    name: object.name,
    generation: object.generation,
    body: { ...object.body },
    ...(status === undefined ? {} : { status }),
  };
}

/** Read-only facts of an object; undefined where there are none. */
function statusOf(
  { kind, name, body, system, uid }: StoredObject,
  { standingOf, lockoutsOf }: Beside,
): Record<string, unknown> | undefined {
  switch (kind) {
    case 'Device': {
      const { keyHash, certificateExpiresAt, enrolledAt, enrolledBy, facts } = system as DeviceSystem;
      return { id: uid, keyHash, certificateExpiresAt, enrolledAt, enrolledBy, ...(facts !== undefined && { facts }) };
    }
    case 'User': {
      const { credential } = system as UserSystem;
      const lockouts = lockoutsOf?.(name) ?? [];
      const refused = lockouts.length === 0 ? {} : { lockouts: [...lockouts] };
      if (credential === undefined) return { credential: 'none', ...refused };
      const { version: credentialVersion, changedAt: credentialChangedAt, kdf } = credential;
      return { credential: 'set', credentialVersion, credentialChangedAt, kdf, ...refused };
    }
    case 'Administrator':
      return { credential: (system as AdministratorSystem).passwordHash === undefined ? 'none' : 'set' };
    case 'EnrollmentToken':
      return { used: (system as EnrollmentTokenSystem).used };
    case 'Server': {
      const { instance, keyHash } = system as ServerSystem;
      return { instance, keyHash };
    }
    case 'Rollout': {
      const { rollout } = system as { readonly rollout?: RolloutSystem };
      if (rollout === undefined) return { state: 'scheduled' };
      const standing = isOut({ progress: rollout }) ? standingOf?.(name) : undefined;
      if (standing === undefined) return { ...rollout };
      const { devices = rollout.devices, isCounting } = standing;
      return { ...rollout, ...(devices && { devices: { ...devices } }), ...(isCounting && { counting: true }) };
    }
    case 'Assignment':
      return (body as AssignmentBody).activateAt === undefined ? undefined : { active: isActive({ body, system }) };
    default:
      return undefined;
  }
}
