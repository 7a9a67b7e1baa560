import { DEFAULT_KDF, type DeviceSystem, type LoginGranted, NO_VERSION } from '@thinman/protocol';
import type { DirectoryAccount } from '../directory/directories.ts';
import { done, type Outcome } from '../http/outcome.ts';
import type { StoredObject } from '../ports.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { DirectoryAccounts } from './directory-accounts.ts';
import { claimsOfAccount } from './directory-user.ts';

/** A directory's users have no credential here. */
const NO_CREDENTIAL = 0;

/** The answer that lets a directory's user in: session and bundle. It rests on no version: whatever comes later is as live. */
export async function grantToDirectoryUser(
  deps: Pick<DeviceDeps, 'clock' | 'identity' | 'sessions' | 'site' | 'state'>,
  bundles: Bundles,
  accounts: DirectoryAccounts,
  {
    device,
    account,
    loginId,
    held,
    warning,
    beganMs,
  }: {
    readonly device: StoredObject;
    readonly account: DirectoryAccount;
    readonly loginId: string;
    readonly held: string | undefined;
    readonly warning: string | undefined;
    /** When the session began; Unix ms. */
    readonly beganMs: number;
  },
): Promise<Outcome<LoginGranted>> {
  const { clock, identity } = deps;
  const saidMs = clock.nowMs();
  const user = accounts.remember(account, saidMs);
  const content = bundles.user(device, user);
  const { version } = bundles.versioned(content);
  const session = await deps.sessions.issue({
    loginId,
    userId: account.userId,
    user: account.name,
    deviceKeyHash: (device.system as DeviceSystem).keyHash,
    credentialVersion: NO_CREDENTIAL,
    startedAt: beganMs,
    directory: claimsOfAccount(deps.site, account, saidMs),
  });
  return done<LoginGranted>({
    verdict: 'granted',
    loginId,
    subject: NO_VERSION,
    credentialVersion: NO_CREDENTIAL,
    server: { name: identity.name, state: deps.state(), version },
    serverTime: clock.nowMs(),
    session,
    bundle: held === content.etag ? { unchanged: true, etag: content.etag, version } : { ...content, version },
    sealing: deps.site.settings().kdf ?? DEFAULT_KDF,
    ...(warning !== undefined && { warning }),
  });
}
