import type { TSchema } from 'typebox';

/** On whom a setting can be put: `device` settings ignore assignments of user levels. */
export type SettingScope = 'device' | 'user' | 'both';

/** `replace`: the strongest value stands. `union`: lists are united from weakest to strongest, without duplicates. */
export type SettingMerge = 'replace' | 'union';

/** What a number counts. */
export type SettingUnit = 'minutes' | 'seconds' | 'milliseconds' | 'days' | 'factor' | 'percent';

/** One setting of the catalogue. The key is its dotted path in a policy's `settings`. */
export type Setting = {
  readonly key: string;
  readonly scope: SettingScope;
  readonly merge: SettingMerge;
  readonly schema: TSchema;
  /** What holds where no policy sets it; for people, never put into bundles. */
  readonly default: unknown;
  readonly unit?: SettingUnit;
  readonly title: string;
  readonly help: string;
};

/** One section of the catalogue: the first part of its settings' keys. */
export type Section = { readonly name: string; readonly title: string; readonly settings: readonly Setting[] };
