import { randomBytes } from 'node:crypto';
import type { VerdictCode } from '@thinman/protocol';
import type { Entry } from 'ldapts';
import type { Logger } from 'pino';
import { uuidV5 } from '../device-plane/uuid.ts';
import type { Clock } from '../ports.ts';
import { AD_STATE, expiryWarning, hoursOf, LDAP_STATE, mustChange, refusalOf } from './account-state.ts';
import { bindOnce, whileAlive } from './bind-once.ts';
import { type BindQueue, createBindQueue, type Turn } from './bind-queue.ts';
import { type BindResult, type Connection, NoAnswer, Refused } from './connection.ts';
import type {
  DirectoryAccount,
  DirectoryAnswer,
  DirectoryStatus,
  DirectoryTrouble,
  PasswordChange,
} from './directories.ts';
import type { DirectoryConfig } from './directory-config.ts';
import { bytesOf, displayNameOf, textOf, thinmanName } from './entry.ts';
import { dnValue, filledFilter } from './filters.ts';
import { groupsOf } from './groups.ts';
import type { LdapServer } from './ldap-server.ts';
import { createLdapServers, type LdapServers, Undecided } from './ldap-servers.ts';
import { type LoginParts, nameIn } from './login-name.ts';
import { setPassword } from './set-password.ts';
import { verdictOf } from './verdicts.ts';

/** Of the 4 s that a device waits for a login: what the way there and back may take is left. */
const LOGIN_MS = 3_200;
/** A change of a password is waited for by a person at the greeter, not by a login's deadline. */
const CHANGE_MS = 10_000;
/** One read. */
const READ_MS = 1_500;

/** One directory, whichever of its servers answers. */
export type Directory = {
  readonly config: DirectoryConfig;
  login(parts: LoginParts, password: string): Promise<DirectoryAnswer>;
  /** Whether there is a user of this name, by the service account or as far as anybody may read. `not_told`: nobody may. */
  find(parts: LoginParts): Promise<{ readonly found: Found['kind'] } | DirectoryTrouble>;
  status(parts: LoginParts): Promise<DirectoryStatus>;
  changePassword(parts: LoginParts, oldPassword: string, newPassword: string): Promise<PasswordChange>;
  servers(): ReturnType<LdapServers['standings']>;
  close(): void;
};

export type DirectoryDeps = {
  readonly siteId: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
};

type Found =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'none' }
  /** Without a service account, and nothing may be read: the user is asked for by the bind itself. */
  | { readonly kind: 'not_told' };

export function createDirectory(config: DirectoryConfig, deps: DirectoryDeps): Directory {
  const { clock, log } = deps;
  const isAd = config.type === 'activeDirectory';
  const servers = createLdapServers(config.endpoints, config.serviceAccount, {
    ...deps,
    onChange(url, state, why) {
      const words = state === 'open' ? 'a directory server does not answer' : 'a directory server answers again';
      log[state === 'open' ? 'warn' : 'info']({ directory: config.name, url, why }, words);
    },
  });
  const queue: BindQueue = createBindQueue(clock);

  const deadline = (ms: number) => {
    const untilMs = clock.monotonicMs() + ms;
    return { untilMs, left: (atMost = READ_MS) => Math.min(atMost, Math.max(untilMs - clock.monotonicMs(), 1)) };
  };
  type Deadline = ReturnType<typeof deadline>;

  const domain = config.domains.suffix;
  const upnOf = ({ local, domain: typed, form }: LoginParts) =>
    `${local}@${form === 'suffix' ? typed : (domain ?? typed ?? '')}`;

  async function lookUp(connection: Connection, parts: LoginParts, { left }: Deadline): Promise<Found> {
    const filter = filledFilter(config.userFilter, { user: parts.local, upn: upnOf(parts) });
    const mayRead = config.serviceAccount !== undefined;
    // Active Directory lets nobody read without a name.
    if (!mayRead && isAd && !connection.isBound) return { kind: 'not_told' };
    try {
      const entries = await connection.search(
        { base: config.baseDn, scope: 'sub', filter, attributes: attributesOf(isAd), binary: BINARY, sizeLimit: 2 },
        left(),
      );
      const entry = chosen(entries, parts, upnOf(parts), isAd);
      // Who has no name cannot bind.
      if (entry?.dn === '') throw new NoAnswer('the directory tells of a user without a name (DN)');
      if (entry !== undefined) return { kind: 'entry', entry };
      if (entries.length > 1) log.warn({ directory: config.name, user: parts.local }, 'a name that two entries have');
      return { kind: mayRead ? 'none' : 'not_told' };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!mayRead) return { kind: 'not_told' };
      throw new NoAnswer(`the service account may not look up users below ${config.baseDn}: ${error.message}`);
    }
  }

  /** Under which name the user binds. Who does not exist is asked for all the same: it takes as long. */
  function bindName(found: Found, parts: LoginParts): { readonly name: string; readonly known: boolean } {
    if (found.kind === 'entry') return { name: found.entry.dn, known: true };
    if (found.kind === 'not_told' && config.userDn !== undefined) {
      return { name: config.userDn.replaceAll('{user}', () => dnValue(parts.local)), known: true };
    }
    if (found.kind === 'not_told' && isAd && domain !== undefined) return { name: upnOf(parts), known: true };
    return { name: `cn=${randomBytes(8).toString('hex')},${config.baseDn}`, known: false };
  }

  async function queued<T>(work: () => Promise<T>): Promise<T | DirectoryTrouble> {
    try {
      const turn: Turn<T> = await queue.run(work);
      return turn.kind === 'done' ? turn.value : turn;
    } catch (error) {
      return troubleOf(error);
    }
  }

  function troubleOf(error: unknown): DirectoryTrouble {
    if (error instanceof Undecided) return { kind: 'undecided' };
    if (!(error instanceof NoAnswer || error instanceof Refused)) throw error;
    log.warn({ directory: config.name, why: error.message }, 'a directory could not be asked');
    return { kind: 'unavailable' };
  }

  /** As its own user sees it. */
  async function ownEntry(asUser: Connection, name: string, parts: LoginParts, time: Deadline) {
    if (config.userDn === undefined) {
      const seen = await lookUp(asUser, parts, time);
      return seen.kind === 'entry' ? seen.entry : undefined;
    }
    const attributes = attributesOf(isAd);
    const [entry] = await asUser.search({ base: name, scope: 'base', attributes, binary: BINARY }, time.left());
    return entry;
  }

  type Bound = {
    readonly name: string;
    readonly result: BindResult;
    readonly known: boolean;
    readonly entry: Entry | undefined;
  };

  /**
   * One bind with a typed password. `then` runs on the connection that is the user's now. `mayGoOn`: what was left to do after the
   * answer needs neither this connection nor the password, so that another server may do it.
   */
  async function bindAs<T>(
    server: LdapServer,
    parts: LoginParts,
    password: string,
    time: Deadline,
    then: (bound: Bound, asUser: Connection) => Promise<T>,
    mayGoOn: (bound: Bound) => boolean = () => false,
  ): Promise<T> {
    const found = await lookUp(await server.service(), parts, time);
    const { name, known } = bindName(found, parts);
    return server.withBinder(async connection => {
      // Whoever is nobody's gets no word of what was typed.
      const sent = known ? password : randomBytes(16).toString('hex');
      const result = await bindOnce(server, connection, name, sent, time.left(LOGIN_MS), clock);
      const entry = found.kind === 'entry' ? found.entry : undefined;
      const bound: Bound = { name, result, known, entry };
      try {
        return await then(bound, connection);
      } catch (error) {
        if (error instanceof NoAnswer && mayGoOn(bound)) throw error;
        // The password is out: nothing of this is done again elsewhere.
        if (error instanceof NoAnswer || error instanceof Refused) throw new Undecided(error.message);
        throw error;
      }
    });
  }

  const userIdOf = (entry: Entry) => uuidV5(deps.siteId, `directory/${config.name}/${idOf(entry)}`);

  function denied(code: VerdictCode, entry: Entry | undefined): DirectoryAnswer {
    const isTold = code === 'account_disabled' && entry !== undefined;
    return { kind: 'denied', code, ...(isTold && { userId: userIdOf(entry) }) };
  }

  function judged({ result, known, entry }: Bound): DirectoryAnswer | undefined {
    const verdict = verdictOf(result);
    if (verdict === 'trouble') {
      if (result.kind === 'refused') {
        log.warn({ directory: config.name, code: result.code, why: result.diagnostic }, 'a directory takes no binds');
      }
      return { kind: 'unavailable' };
    }
    if (!known) return denied('credentials_invalid', undefined);
    if (verdict !== 'granted') return denied(verdict, entry);
    const refusal = entry === undefined ? undefined : refusalOf(entry, clock.nowMs());
    if (refusal !== undefined) return denied(refusal, entry);
    return entry !== undefined && mustChange(entry) ? { kind: 'denied', code: 'password_expired' } : undefined;
  }

  const ownNameOf = (entry: Entry, parts: LoginParts) =>
    (isAd ? textOf(entry, 'sAMAccountName') : textOf(entry, 'uid')) ?? parts.local;
  const nameOf = (entry: Entry, parts: LoginParts) =>
    nameIn(config.domains, thinmanName(ownNameOf(entry, parts).toLowerCase()) ?? 'user');

  /** A refusal, with whom it was about. */
  function withName<A extends DirectoryAnswer | PasswordChange>(
    answer: A,
    entry: Entry | undefined,
    parts: LoginParts,
  ): A {
    if (answer.kind !== 'denied' || entry === undefined) return answer;
    return { ...answer, name: nameOf(entry, parts) };
  }

  async function accountOf(connection: Connection, entry: Entry, parts: LoginParts, time: Deadline) {
    const own = ownNameOf(entry, parts);
    const groups = await groupsOf({ config, connection, untilMs: () => time.left(LOGIN_MS) }, entry, own);
    const hours = hoursOf(entry);
    const account: DirectoryAccount = {
      userId: userIdOf(entry),
      name: nameOf(entry, parts),
      displayName: displayNameOf(entry),
      groups,
      ...(hours !== undefined && { hours }),
    };
    return account;
  }

  /** As the service account sees it. */
  async function accountBy(server: LdapServer, entry: Entry, parts: LoginParts, time: Deadline) {
    return whileAlive(server, accountOf(await server.service(), entry, parts, time), clock);
  }

  /** What the bind did not tell: read by the service account, on any server, else as the user. */
  async function completed(bound: Bound, asUser: Connection, server: LdapServer, parts: LoginParts, time: Deadline) {
    if (config.serviceAccount !== undefined && bound.entry !== undefined) {
      return { entry: bound.entry, account: await accountBy(server, bound.entry, parts, time) };
    }
    const entry = bound.entry ?? (await ownEntry(asUser, bound.name, parts, time));
    if (entry === undefined) throw new Undecided('a user may not read the own entry, and there is no service account');
    return { entry, account: await accountOf(asUser, entry, parts, time) };
  }

  return {
    config,
    login(parts, password) {
      // From here on, with the time in the queue: the device waits for all of it.
      const time = deadline(LOGIN_MS);
      /** The password was right, and its server fell silent before it had told of the groups: those can be read on the next one. */
      let passed: (Bound & { readonly entry: Entry }) | undefined;
      const grantedTo = (entry: Entry, { result }: Bound, account: DirectoryAccount): DirectoryAnswer => {
        const refused = refusalOf(entry, clock.nowMs());
        if (refused !== undefined) return denied(refused, entry);
        const warning = expiryWarning(entry, result.policy, clock.nowMs());
        return { kind: 'granted', account, ...(warning !== undefined && { warning }) };
      };
      const bindOn = (server: LdapServer) =>
        bindAs(
          server,
          parts,
          password,
          time,
          async (bound, asUser) => {
            const refusal = judged(bound);
            if (refusal !== undefined) return withName(refusal, bound.entry, parts);
            const { entry, account } = await completed(bound, asUser, server, parts, time);
            return grantedTo(entry, bound, account);
          },
          bound => {
            const { entry } = bound;
            if (entry === undefined || config.serviceAccount === undefined) return false;
            passed = { ...bound, entry };
            return true;
          },
        );
      return queued(() =>
        servers.run<DirectoryAnswer>(async server => {
          if (passed === undefined) return bindOn(server);
          const { entry } = passed;
          return grantedTo(entry, passed, await accountBy(server, entry, parts, time));
        }, time.untilMs),
      );
    },
    async find(parts) {
      try {
        const time = deadline(READ_MS * 2);
        const work = async (server: LdapServer) => lookUp(await server.service(), parts, time);
        return { found: (await servers.run(work, time.untilMs)).kind };
      } catch (error) {
        return troubleOf(error);
      }
    },
    async status(parts) {
      if (config.serviceAccount === undefined) return { kind: 'not_told' };
      return queued(() => {
        const time = deadline(LOGIN_MS);
        return servers.run<DirectoryStatus>(async server => {
          const connection = await server.service();
          const found = await lookUp(connection, parts, time);
          if (found.kind !== 'entry') return { kind: 'unknown' };
          const code = refusalOf(found.entry, clock.nowMs());
          if (code !== undefined) return { kind: 'refused', code };
          return { kind: 'ok', account: await accountBy(server, found.entry, parts, time) };
        }, time.untilMs);
      });
    },
    changePassword: (parts, oldPassword, newPassword) =>
      queued(() => {
        const time = deadline(CHANGE_MS);
        return servers.run<PasswordChange>(async server => {
          let entry: Entry | undefined;
          const way = {
            ...{ config, server, clock, left: time.left },
            async lookUp(connection: Connection) {
              const found = await lookUp(connection, parts, time);
              if (found.kind === 'entry') entry = found.entry;
              return found;
            },
            bindName: (found: { readonly kind: string }) => bindName(found as Found, parts).name,
          };
          return withName(await setPassword(way, { oldPassword, newPassword }), entry, parts);
        }, time.untilMs);
      }),
    servers: servers.standings,
    close: servers.close,
  };
}

const BINARY = ['objectGUID', 'objectSid', 'logonHours'] as const;
const AD_NAMES = ['objectGUID', 'objectSid', 'sAMAccountName', 'userPrincipalName', 'primaryGroupID'] as const;
const LDAP_NAMES = ['entryUUID', 'uid', 'memberOf'] as const;

function attributesOf(isAd: boolean): readonly string[] {
  return ['cn', 'displayName', ...(isAd ? [...AD_NAMES, ...AD_STATE] : [...LDAP_NAMES, ...LDAP_STATE])];
}

/** Of two that a name fits in AD, the one whose principal name it is; else none. */
function chosen(entries: readonly Entry[], parts: LoginParts, upn: string, isAd: boolean): Entry | undefined {
  if (entries.length <= 1 || !isAd) return entries.length === 1 ? entries[0] : undefined;
  const [attribute, wanted] =
    parts.form === 'suffix' ? (['userPrincipalName', upn] as const) : (['sAMAccountName', parts.local] as const);
  return entries.find(entry => textOf(entry, attribute)?.toLowerCase() === wanted.toLowerCase());
}

/** What stays when the entry is renamed or moved. */
function idOf(entry: Entry): string {
  return bytesOf(entry, 'objectGUID')?.toString('hex') ?? textOf(entry, 'entryUUID') ?? entry.dn.toLowerCase();
}
