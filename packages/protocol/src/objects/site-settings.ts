import Type, { type Static } from 'typebox';
import { KdfParameters } from '../kdf.ts';
import { AgentTimings } from '../timings.ts';
import { closed, description } from './shape.ts';

/** Offline login, longest age: below the 90 days for which tombstones are kept, so that no deleted user outlives them. */
export const MAX_OFFLINE_DAYS = 60;

/** The one object (`kind: SiteSettings, name: site`) with the site's numbers; what is left out has its default. */
export const SiteSettingsBody = closed({
  description,
  /** What `${site.name}` stands for. */
  siteName: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  /** For new passwords. */
  kdf: Type.Optional(KdfParameters),
  agent: Type.Optional(Type.Partial(AgentTimings, { additionalProperties: false })),
  offline: Type.Optional(
    closed({
      allowed: Type.Optional(Type.Boolean()),
      maxAgeDays: Type.Optional(Type.Number({ minimum: 0, maximum: MAX_OFFLINE_DAYS })),
      excludedGroups: Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { maxItems: 1000 })),
    }),
  ),
  server: Type.Optional(
    closed({
      syncIntervalMs: Type.Optional(Type.Integer({ minimum: 50, maximum: 60_000 })),
      lagLimitMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 3_600_000 })),
      /** A Primary that has seen nobody for so long takes no administrative write. */
      isolatedAfterMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 3_600_000 })),
      databaseLostAfterMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 600_000 })),
      /** Events that wait in a server's journal (`JOURNAL_LIMIT_BYTES`); 1 MiB to 1 TiB. */
      journalLimitBytes: Type.Optional(Type.Integer({ minimum: 2 ** 20, maximum: 2 ** 40 })),
    }),
  ),
});
export type SiteSettingsBody = Static<typeof SiteSettingsBody>;

/** The one object of kind `SiteSettings`. */
export const SITE_SETTINGS_NAME = 'site';
