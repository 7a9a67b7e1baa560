import type { DirectoryFinding } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import { type Connection, type Endpoint, NoAnswer, openConnection, Refused } from './connection.ts';
import type { DirectoryConfig } from './directory-config.ts';
import { anybodysFilter } from './filters.ts';
import { adviceOn, serviceAccountAdvice } from './trouble-advice.ts';

/** An administrator waits: more than a login would. */
const CONNECT_MS = 5_000;
const STEP_MS = 5_000;

/** LDAP result codes (RFC 4511, A.1). */
const NO_SUCH_OBJECT = 32;
const REFERRAL = 10;

type TrialDeps = {
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly open?: (endpoint: Endpoint, deadlineMs: number) => Promise<Connection>;
};
/** Writes down what was found. False: what comes after it cannot be looked at. */
type Find = (level: DirectoryFinding['level'], found: string, advice?: string) => boolean;

/**
 * Every server of a directory by itself, all at once: what a login needs of it, step by step, up to the first step that fails. Nobody's
 * password is sent but the service account's, and that is in no finding.
 */
export async function tryServers(config: DirectoryConfig, deps: TrialDeps): Promise<readonly DirectoryFinding[]> {
  return (await Promise.all(config.endpoints.map(endpoint => tryServer(config, endpoint, deps)))).flat();
}

async function tryServer(config: DirectoryConfig, endpoint: Endpoint, deps: TrialDeps) {
  const open = deps.open ?? ((at, deadlineMs) => openConnection(at, deadlineMs, deps.clock));
  const findings: DirectoryFinding[] = [];
  const at = (step: DirectoryFinding['step']): Find => {
    return (level, found, advice) => {
      findings.push({ url: endpoint.url, step, level, found, ...(advice !== undefined && { do: advice }) });
      return level !== 'fail';
    };
  };
  let step: DirectoryFinding['step'] = 'reach';
  let connection: Connection | undefined;
  try {
    connection = await open(endpoint, CONNECT_MS);
    reached(endpoint, at(step));
    step = 'service account';
    if (!(await tryServiceAccount(config, connection, at(step)))) return findings;
    step = 'user filter';
    await tryUsers(config, connection, at);
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof Refused)) throw error;
    at(step)('fail', error.message, adviceOn(error));
  } finally {
    connection?.close();
  }
  return findings;
}

function reached({ url, startTls, tlsServerName, ca }: Endpoint, find: Find): boolean {
  const isTls = url.startsWith('ldaps:') || startTls;
  if (!isTls) {
    return find('warn', 'it answers, in clear: passwords can be read on the way', 'use ldaps:// or startTls');
  }
  const by = ca === undefined ? "a CA of this server's host" : 'the CA of the object';
  const name = tlsServerName ?? new URL(url).hostname;
  return find('ok', `it answers; its certificate is of ${by}, for ${name}`);
}

async function tryServiceAccount({ serviceAccount }: DirectoryConfig, connection: Connection, find: Find) {
  if (serviceAccount === undefined) return find('ok', 'there is none: users bind as themselves');
  const result = await connection.bind(serviceAccount.dn, serviceAccount.password, STEP_MS);
  if (result.kind === 'bound') return find('ok', `${serviceAccount.dn} is let in`);
  const { found, advice } = serviceAccountAdvice(serviceAccount.dn, result);
  return find('fail', found, advice);
}

/** Who may search below the base need not be able to read it: it is asked for alone where nobody was found. */
async function tryUsers(config: DirectoryConfig, connection: Connection, at: (step: DirectoryFinding['step']) => Find) {
  const { baseDn } = config;
  if (!mayRead(config)) {
    return at('user filter')('ok', 'not looked at: Active Directory shows nothing without a service account');
  }
  const filter = anybodysFilter(config.userFilter);
  const search = { base: baseDn, scope: 'sub', attributes: ['cn'], sizeLimit: 1 } as const;
  try {
    const entries = await connection.search({ ...search, ...(filter !== undefined && { filter }) }, STEP_MS);
    if (entries.length > 0) {
      at('base DN')('ok', `${baseDn} is there`);
      return filter === undefined
        ? at('user filter')('ok', 'not looked at: it says something only of somebody; give --user')
        : at('user filter')('ok', 'it finds users');
    }
    // Throws where there is none.
    const base = await connection.search({ base: baseDn, scope: 'base', attributes: ['objectClass'] }, STEP_MS);
    if (base.length > 0) at('base DN')('ok', `${baseDn} is there`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return at('base DN')('fail', whyNoBase(baseDn, error), 'check baseDn, and whether the account may search there');
  }
  const advice = 'check userFilter and baseDn, and what the account may read';
  // Who may not be looked up can bind all the same.
  return at('user filter')(
    config.userDn === undefined ? 'fail' : 'warn',
    `${config.userFilter} finds nobody below ${baseDn}`,
    advice,
  );
}

function whyNoBase(baseDn: string, { code, message }: Refused): string {
  if (code === NO_SUCH_OBJECT) return `${baseDn} is not there, or may not be read`;
  if (code === REFERRAL) return `${baseDn} lies on another server: each domain is a Directory of its own`;
  return `${baseDn} cannot be read: ${message}`;
}

/** Active Directory lets nobody read without a name. */
const mayRead = ({ type, serviceAccount }: DirectoryConfig) =>
  type !== 'activeDirectory' || serviceAccount !== undefined;
