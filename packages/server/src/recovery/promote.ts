import type { KeyObject } from 'node:crypto';
import type {
  Missing,
  PromotionAnswer,
  PromotionReport,
  PromotionRequest,
  ServerRole,
  StatementServer,
} from '@thinman/protocol';
import type { Actor } from '../admin-plane/admin-deps.ts';
import { summarise } from '../core/losses.ts';
import { shortenMissing } from '../core/missing.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import type { CaHolder } from '../identity/load-identity.ts';
import { pinsOf } from '../identity/pins.ts';
import { readRecoveryCode, unwrapCaKeys } from '../identity/recovery-code.ts';
import type { SiteCas, SourceOfRecord } from '../ports.ts';
import { beginEpoch, type Compared, compareWithDatabase, type NewEpochDeps, refusedAsOther } from './new-epoch.ts';

export type PromotionDeps = NewEpochDeps & {
  readonly role: () => ServerRole;
  /** The site has removed this server. */
  readonly removed: () => boolean;
  readonly linked: () => boolean;
  readonly missing: () => Missing;
  readonly ca: CaHolder;
  readonly database: {
    /** A handle of its own, to be closed. undefined: the one that is used now. */
    open(url: string | undefined, how?: 'to-read' | 'to-write'): SourceOfRecord;
    /** From now on, over restarts. */
    use(url: string): Promise<void>;
  };
};

/** A Secondary becomes the Primary, by an administrator's word alone (ADR 0030). */
export type Promotion = {
  /** What is known of it before; changes nothing. */
  look(database: string | undefined): Promise<Outcome<PromotionReport>>;
  promote(actor: Actor, request: PromotionRequest): Promise<Outcome<PromotionAnswer>>;
};

export function createPromotion(deps: PromotionDeps): Promotion {
  const { write, role, removed, linked, missing, ca, database } = deps;
  const { replica, identity } = write;

  function refusal() {
    if (role() === 'primary') {
      const instead = write.rival?.() === undefined ? '' : ' For its line to count: thinman-server accept-database.';
      return refused('conflict', { detail: `This server is the Primary.${instead}` });
    }
    if (removed()) return refused('forbidden', { detail: 'This server is no longer one of the site: join it again.' });
    return undefined;
  }

  const primaryNow = (): StatementServer | undefined =>
    write.statement().servers.find(server => server.role === 'primary');

  async function obstacle(url: string | undefined): Promise<Outcome<PromotionReport['obstacle']>> {
    const record = database.open(url);
    try {
      const found = await record.obstacleToWriting();
      return done(found === undefined ? null : { what: found.what, sql: [...found.mend] });
    } finally {
      await record.close();
    }
  }

  async function look(url: string | undefined): Promise<Outcome<PromotionReport>> {
    const notHere = refusal();
    if (notHere !== undefined) return notHere;
    const record = database.open(url);
    try {
      const compared = await compareWithDatabase(deps, record);
      if (!compared.ok) return compared;
      const found = await obstacle(url);
      if (!found.ok) return found;
      const { name = '', url: at = '' } = primaryNow() ?? {};
      return done({
        server: identity.name,
        primary: { name, url: at, linked: linked() },
        missing: missing(),
        obstacle: found.value,
        losses: summarise(compared.value.losses),
      });
    } finally {
      await record.close();
    }
  }

  /** That will count: those of the database that is taken over, or our own. */
  const casOf = ({ servers, site }: Compared): SiteCas => (servers === 'ours' ? (replica.site() ?? site) : site);

  /** The CA's keys under this code, the issuing one among them. */
  function openKeys(text: string, { wrappedCaKey, caCertificates }: SiteCas): Outcome<readonly KeyObject[]> {
    const read = readRecoveryCode(text);
    if (!read.ok) return refused('bad_request', { detail: read.why });
    try {
      const keys = unwrapCaKeys(wrappedCaKey, read.code, identity.siteId);
      const [issuing] = pinsOf(caCertificates);
      if (keys.some(key => keyHashOf(key) === issuing)) return done(keys);
      return refused('forbidden', {
        detail:
          "This recovery code does not open the key of the site's CA: it is another site's, or from before a change of the CA.",
      });
    } finally {
      read.code.fill(0);
    }
  }

  return {
    look,
    async promote(actor, { recoveryCode, database: url }) {
      const looked = await look(url);
      if (!looked.ok) return looked;
      const { primary, obstacle: inTheWay, missing: lacking, losses } = looked.value;
      if (primary.linked) {
        return refused('conflict', {
          detail: `The Primary ${primary.name} is there: stop it first (thinman-server drain).`,
        });
      }
      if (inTheWay !== null) {
        const detail = `The database cannot be written: ${inTheWay.what}. Run there: ${inTheWay.sql.join(' ')}`;
        return refused('database_unavailable', { detail });
      }
      // Until the commit stands, this server goes on with the database that it has.
      const record = database.open(url, 'to-write');
      try {
        const compared = await compareWithDatabase(deps, record);
        if (!compared.ok) return compared;
        const keys = openKeys(recoveryCode, casOf(compared.value));
        if (!keys.ok) return keys;
        const data = { oldPrimary: primary.name, missing: shortenMissing(lacking) };
        const landed = async () => (url === undefined ? undefined : database.use(url));
        // Before the commit: a Primary without the CA's key could sign nothing.
        const takeBack = ca.place(keys.value);
        const raised = await beginEpoch(deps, record, compared.value, { actor, why: 'promote', data, landed });
        if (raised === undefined) {
          takeBack();
          return refusedAsOther();
        }
        return done({ ...raised.version, missing: lacking, losses, file: raised.file });
      } finally {
        await record.close();
      }
    },
  };
}
