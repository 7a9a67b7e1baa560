import type { DirectoryStanding } from '@thinman/protocol';
import type { Replica, SiteDataKey, StoredObject } from '../ports.ts';
import type { Claim, Directories, DirectoryTrouble } from './directories.ts';
import { createDirectory, type Directory, type DirectoryDeps } from './directory.ts';
import { sealedConfig } from './directory-config.ts';
import { onTheBeat } from './even-answers.ts';
import { findOwner, type Nobody } from './find-owner.ts';
import { belongsTo, countedAs, type LoginParts, loginParts, spellings } from './login-name.ts';

type Deps = DirectoryDeps & {
  readonly replica: Pick<Replica, 'list' | 'onApplied'>;
  readonly dataKey: Pick<SiteDataKey, 'open'>;
  /** Between the beats at which refusals are told; for tests that are about something else. */
  readonly answerStepMs?: number;
};

/** All directories of the site, in step with the replica. */
export function createDirectories(deps: Deps): Directories & { standings(): readonly DirectoryStanding[] } {
  const { replica, log } = deps;
  const held = new Map<string, { readonly generation: number; readonly directory: Directory | undefined }>();
  const all = () => [...held.values()].flatMap(({ directory }) => directory ?? []);

  function made(object: StoredObject): Directory | undefined {
    try {
      const directory = createDirectory(sealedConfig(object, deps.dataKey), deps);
      for (const { url, startTls } of directory.config.endpoints) {
        if (url.startsWith('ldap:') && !startTls && !isLoopback(url)) {
          log.warn(
            { directory: object.name, url },
            'passwords go to this directory in clear: use ldaps:// or startTls',
          );
        }
      }
      return directory;
    } catch (error) {
      log.error({ err: error, directory: object.name }, 'a directory cannot be used: apply it anew');
      return undefined;
    }
  }

  function follow(): void {
    const objects = replica.list('Directory');
    for (const [name, { directory }] of held) {
      if (objects.some(object => object.name === name && held.get(name)?.generation === object.generation)) continue;
      directory?.close();
      held.delete(name);
    }
    for (const object of objects) {
      if (held.has(object.name)) continue;
      held.set(object.name, { generation: object.generation, directory: made(object) });
    }
  }

  const candidatesFor = (parts: LoginParts): readonly Directory[] => {
    const directories = all();
    if (parts.form === 'plain') return directories.filter(({ config }) => config.takesPlainNames);
    return directories.filter(({ config }) => belongsTo(parts, config.domains));
  };

  const ownerOf = (parts: LoginParts): Promise<Directory | DirectoryTrouble | Nobody> =>
    findOwner(candidatesFor(parts), parts, directories =>
      log.warn({ directories }, 'a login name without a domain that more than one directory may have'),
    );

  /** Whoever is told no, is told it at the same time as who does not exist. */
  const evenly = <T extends { readonly kind: string }>(work: () => Promise<T>): Promise<T> =>
    onTheBeat(work, ({ kind }) => !UNHURT.includes(kind), deps.clock, deps.answerStepMs);

  const isNobody = (owner: Directory | DirectoryTrouble | Nobody): owner is Nobody =>
    'kind' in owner && owner.kind === 'nobody';
  const isTrouble = (owner: Directory | DirectoryTrouble): owner is DirectoryTrouble => 'kind' in owner;

  follow();
  const stop = replica.onApplied(change => {
    if (change.full || change.objects.some(({ kind }) => kind === 'Directory')) follow();
  });

  return {
    claims(user): Claim {
      const parts = loginParts(user);
      if (parts.local === '' || candidatesFor(parts).length === 0) return 'none';
      return parts.form === 'plain' ? 'plain' : 'by_domain';
    },
    keysOf(user) {
      const parts = loginParts(user);
      return countedAs(parts, {
        meant: candidatesFor(parts).map(({ config }) => config.domains),
        plain: all().flatMap(({ config }) => (config.takesPlainNames ? [config.domains] : [])),
      });
    },
    spellingsOf(user) {
      const parts = loginParts(user);
      return spellings(
        parts,
        candidatesFor(parts).map(({ config }) => config.domains),
      );
    },
    login: (user, password) =>
      evenly(async () => {
        const parts = loginParts(user);
        if (password === '' || parts.local === '') return { kind: 'denied', code: 'credentials_invalid' };
        const owner = await ownerOf(parts);
        if (isNobody(owner)) {
          const { why } = owner;
          return { kind: 'denied', code: 'credentials_invalid', ...(why !== undefined && { why }) };
        }
        return isTrouble(owner) ? owner : owner.login(parts, password);
      }),
    async status(user) {
      const parts = loginParts(user);
      const owner = await ownerOf(parts);
      if (isNobody(owner)) return { kind: 'unknown', ...(owner.why !== undefined && { why: owner.why }) };
      return isTrouble(owner) ? owner : owner.status(parts);
    },
    changePassword: (user, oldPassword, newPassword) =>
      evenly(async () => {
        const parts = loginParts(user);
        const owner = await ownerOf(parts);
        if (isNobody(owner) || oldPassword === '') return { kind: 'denied', code: 'credentials_invalid' };
        return isTrouble(owner) ? owner : owner.changePassword(parts, oldPassword, newPassword);
      }),
    standings: () =>
      Array.from(held, ([name, { directory }]) => ({
        name,
        servers: (directory?.servers() ?? []).map(({ url, breaker, sinceMs: since, lastError }) => {
          return { url, breaker, since, lastError };
        }),
        ...(directory === undefined && { unusable: true as const }),
      })),
    close() {
      stop();
      for (const directory of all()) directory.close();
      held.clear();
    },
  };
}

/** Answers that tell nothing of whether anybody exists. */
const UNHURT: readonly string[] = ['granted', 'changed', 'overloaded'];

function isLoopback(url: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}
