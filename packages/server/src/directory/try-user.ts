import type { DirectoryFinding } from '@thinman/protocol';
import pino from 'pino';
import type { Clock } from '../ports.ts';
import type { DirectoryAccount } from './directories.ts';
import { createDirectory } from './directory.ts';
import type { DirectoryConfig } from './directory-config.ts';
import { belongsTo, type LoginParts, loginParts } from './login-name.ts';

type UserDeps = {
  readonly siteId: string;
  readonly clock: Clock;
  /** Whether the site has a UserGroup of this name. */
  isGroup(name: string): boolean;
};

type Said = Pick<DirectoryFinding, 'level' | 'found' | 'do'>;

/** Somebody of a directory of one server, as a login would find them. With a password: one bind. */
export async function tryUser(
  config: DirectoryConfig,
  typed: string,
  password: string | undefined,
  { siteId, clock, isGroup }: UserDeps,
): Promise<readonly DirectoryFinding[]> {
  const parts = loginParts(typed);
  const url = config.endpoints[0]?.url ?? '';
  const about = (said: Said): DirectoryFinding => ({ url, step: 'user', ...said });
  const findings = comesHere(config, parts) ? [] : [about(elsewhere(typed))];
  // Of its own, and gone afterwards: what is wrong with it is in the findings.
  const log = pino({ enabled: false });
  const directory = createDirectory(config, { siteId, clock, log, random: () => 0.5 });
  try {
    const said =
      password === undefined
        ? await looked(directory, typed, parts, isGroup)
        : await loggedIn(directory, parts, password, isGroup);
    return [...findings, about(said)];
  } finally {
    directory.close();
  }
}

type Asked = ReturnType<typeof createDirectory>;

async function looked(directory: Asked, typed: string, parts: LoginParts, isGroup: UserDeps['isGroup']): Promise<Said> {
  const status = await directory.status(parts);
  switch (status.kind) {
    case 'ok':
      return ofAccount(status.account, isGroup);
    case 'refused':
      return { level: 'warn', found: `"${typed}" is there, and a login would be refused: ${status.code}` };
    case 'unknown':
      return { level: 'fail', found: `there is nobody "${typed}"`, do: 'check the name, userFilter and baseDn' };
    case 'not_told':
      return {
        ...{ level: 'warn', found: 'without a service account only a password tells' },
        do: 'say --ask-password or --password-stdin as well',
      };
    default:
      return unanswered(status.kind);
  }
}

async function loggedIn(
  directory: Asked,
  parts: LoginParts,
  password: string,
  isGroup: UserDeps['isGroup'],
): Promise<Said> {
  const answer = await directory.login(parts, password);
  switch (answer.kind) {
    case 'granted': {
      const said = ofAccount(answer.account, isGroup);
      return { ...said, found: `the password is right: ${said.found}` };
    }
    case 'denied':
      return { level: 'fail', found: `denied: ${answer.code}`, do: 'docs/directories.md, "What each answer means"' };
    default:
      return unanswered(answer.kind);
  }
}

function unanswered(kind: string): Said {
  return { level: 'fail', found: `it was not answered (${kind})`, do: 'try again; look at the log of the directory' };
}

function ofAccount({ name, displayName, groups }: DirectoryAccount, isGroup: UserDeps['isGroup']): Said {
  const who = displayName === undefined ? name : `${name} (${displayName})`;
  const known = groups.filter(isGroup);
  const all = groups.length === 0 ? 'no groups' : `${groups.length} groups: ${groups.toSorted().join(', ')}`;
  if (known.length > 0) return { level: 'ok', found: `${who}; ${all}; of the site are ${known.join(', ')}` };
  return {
    ...{ level: 'warn', found: `${who}; ${all}; none of them is a UserGroup of the site` },
    do: 'apply a UserGroup of the same name, and policies and profiles for it',
  };
}

function comesHere({ domains, takesPlainNames }: DirectoryConfig, parts: LoginParts): boolean {
  return parts.form === 'plain' ? takesPlainNames : belongsTo(parts, domains);
}

function elsewhere(typed: string): Said {
  return {
    ...{ level: 'warn', found: `a login as "${typed}" does not come to this directory` },
    do: 'check suffix, domain and plainNames, or type the name in another form',
  };
}
