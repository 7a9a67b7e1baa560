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
type Find = (level: DirectoryFinding['level'], found: string, advice?: string) => DirectoryFinding;

/**
 * Every server of a directory by itself, all at once: what a login needs of it, step by step, up to the first step that fails. Nobody's
 * password is sent but the service account's, and that is in no finding.
 */
export async function tryServers(config: DirectoryConfig, deps: TrialDeps): Promise<readonly DirectoryFinding[]> {
  return (await Promise.all(config.endpoints.map(endpoint => tryServer(config, endpoint, deps)))).flat();
}

async function tryServer(config: DirectoryConfig, endpoint: Endpoint, deps: TrialDeps) {
  const open = deps.open ?? ((at, deadlineMs) => openConnection(at, deadlineMs, deps.clock));
  const at = (step: DirectoryFinding['step']): Find => {
    return (level, found, advice) => {
      return { url: endpoint.url, step, level, found, ...(advice !== undefined && { do: advice }) };
    };
  };
  const findings: DirectoryFinding[] = [];
  let connection: Connection | undefined;
  try {
    connection = await open(endpoint, CONNECT_MS);
    findings.push(reached(endpoint, at('reach')));
    for (const [step, look] of STEPS) {
      const finding = await look(config, connection, at(step)).catch((error: unknown) => troubleAt(error, at(step)));
      findings.push(finding);
      if (finding.level === 'fail') break;
    }
  } catch (error) {
    findings.push(troubleAt(error, at('reach')));
  } finally {
    connection?.close();
  }
  return findings;
}

function reached({ url, startTls, tlsServerName, ca }: Endpoint, find: Find): DirectoryFinding {
  const isTls = url.startsWith('ldaps:') || startTls;
  if (!isTls) {
    return find('warn', 'it answers, in clear: passwords can be read on the way', 'use ldaps:// or startTls');
  }
  const by = ca === undefined ? "a CA of this server's host" : 'the CA of the object';
  const name = tlsServerName ?? new URL(url).hostname;
  return find('ok', `it answers; its certificate is of ${by}, for ${name}`);
}

const STEPS = [
  ['service account', tryServiceAccount],
  ['base DN', tryBaseDn],
  ['user filter', tryUserFilter],
] as const;

async function tryServiceAccount({ serviceAccount }: DirectoryConfig, connection: Connection, find: Find) {
  if (serviceAccount === undefined) return find('ok', 'there is none: users bind as themselves');
  const result = await connection.bind(serviceAccount.dn, serviceAccount.password, STEP_MS);
  if (result.kind === 'bound') return find('ok', `${serviceAccount.dn} is let in`);
  const { found, advice } = serviceAccountAdvice(serviceAccount.dn, result);
  return find('fail', found, advice);
}

async function tryBaseDn(config: DirectoryConfig, connection: Connection, find: Find) {
  if (!mayRead(config)) return find('ok', 'not looked at: Active Directory shows nothing without a service account');
  const { baseDn } = config;
  const missing = `check baseDn; the account needs to read there`;
  try {
    const entries = await connection.search({ base: baseDn, scope: 'base', attributes: ['objectClass'] }, STEP_MS);
    if (entries.length > 0) return find('ok', `${baseDn} is there`);
    return find('fail', `${baseDn} is not there, or may not be read`, missing);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === NO_SUCH_OBJECT) return find('fail', `${baseDn} is not there, or may not be read`, missing);
    if (error.code === REFERRAL) {
      return find('fail', `${baseDn} lies on another server`, 'check baseDn: each domain is a Directory of its own');
    }
    return find('fail', `${baseDn} cannot be read: ${error.message}`, missing);
  }
}

async function tryUserFilter(config: DirectoryConfig, connection: Connection, find: Find) {
  if (!mayRead(config)) return find('ok', 'not looked at, for the same reason');
  const filter = anybodysFilter(config.userFilter);
  if (filter === undefined) return find('ok', 'not looked at: it says something only of somebody; give --user');
  const search = { base: config.baseDn, scope: 'sub', filter, attributes: ['cn'], sizeLimit: 1 } as const;
  const entries = await connection.search(search, STEP_MS);
  if (entries.length > 0) return find('ok', 'it finds users');
  const advice = 'check userFilter and baseDn, and what the account may read';
  // Who may not be looked up can bind all the same.
  return find(config.userDn === undefined ? 'fail' : 'warn', `it finds nobody below ${config.baseDn}`, advice);
}

/** Active Directory lets nobody read without a name. */
const mayRead = ({ type, serviceAccount }: DirectoryConfig) =>
  type !== 'activeDirectory' || serviceAccount !== undefined;

function troubleAt(error: unknown, find: Find): DirectoryFinding {
  if (!(error instanceof NoAnswer || error instanceof Refused)) throw error;
  return find('fail', error.message, adviceOn(error));
}
