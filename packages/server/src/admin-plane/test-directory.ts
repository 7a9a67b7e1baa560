import type {
  DirectoryBody,
  DirectoryFinding,
  DirectoryTestAnswer,
  DirectoryTestRequest,
  UserSystem,
} from '@thinman/protocol';
import type { DirectoryConfig } from '../directory/directory-config.ts';
import { directoryConfig, sealedConfig } from '../directory/directory-config.ts';
import { loginParts } from '../directory/login-name.ts';
import { tryServers } from '../directory/try-directory.ts';
import { tryUser } from '../directory/try-user.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { AdminDeps } from './admin-deps.ts';
import { checkBody } from './check-body.ts';

type Deps = Pick<AdminDeps, 'replica' | 'dataKey' | 'clock' | 'identity'>;

/** Looks at a directory from this server, as it is stored or as it would be. Writes nothing, and counts for no lockout of the site's. */
export async function testDirectory(deps: Deps, asked: DirectoryTestRequest): Promise<Outcome<DirectoryTestAnswer>> {
  const config = configOf(deps, asked);
  if (!config.ok) return config;
  const findings = [...(await tryServers(config.value, deps))];
  if (asked.user !== undefined) findings.push(...(await userIn(deps, config.value, findings, asked)));
  return done({ server: deps.identity.name, name: asked.name, findings });
}

function configOf({ replica, dataKey }: Deps, { name, body }: DirectoryTestRequest): Outcome<DirectoryConfig> {
  const found = replica.get('Directory', name);
  const stored = found?.deleted === true ? undefined : found;
  if (body === undefined) {
    if (stored === undefined) return refused('not_found', { detail: `There is no Directory "${name}".` });
    return done(sealedConfig(stored, dataKey));
  }
  const problems = [...checkBody('Directory', name, body)];
  if (problems.length > 0) return refused('bad_request', { problems });
  const given = body as DirectoryBody;
  const { bindPassword } = given;
  const password = typeof bindPassword === 'string' ? bindPassword : undefined;
  if (bindPassword === undefined || password !== undefined) return done(directoryConfig(name, given, password));
  if (stored === undefined) {
    const message = 'is not given, and none is stored under this name: write it';
    return refused('bad_request', { problems: [{ field: 'body.bindPassword', message }] });
  }
  return done(sealedConfig({ ...stored, body: given }, dataKey));
}

/** On the first server with which nothing is wrong. */
async function userIn(
  { replica, identity, clock }: Deps,
  config: DirectoryConfig,
  findings: readonly DirectoryFinding[],
  { user = '', password }: DirectoryTestRequest,
): Promise<readonly DirectoryFinding[]> {
  const endpoint = config.endpoints.find(({ url }) =>
    findings.every(finding => finding.url !== url || finding.level !== 'fail'),
  );
  if (endpoint === undefined) return [];
  const isGroup = (name: string) => replica.get('UserGroup', name)?.deleted === false;
  const found = await tryUser({ ...config, endpoints: [endpoint] }, user, password, {
    ...{ siteId: identity.siteId, clock, isGroup },
  });
  const local = loginParts(user).form === 'plain' ? replica.get('User', user) : undefined;
  if ((local?.system as UserSystem | undefined)?.credential === undefined || local?.deleted === true) return found;
  const says = `the site has a User "${user}" with a password: a login of this name is that one's`;
  const advice = 'type the name with its domain';
  return [...found, { url: endpoint.url, step: 'user', level: 'warn', found: says, do: advice }];
}
