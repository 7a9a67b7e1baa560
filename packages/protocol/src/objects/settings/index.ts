import { access } from './access.ts';
import { agent } from './agent.ts';
import { appearance } from './appearance.ts';
import { audio } from './audio.ts';
import { browser } from './browser.ts';
import { certificates } from './certificates.ts';
import { display } from './display.ts';
import { keyboard } from './keyboard.ts';
import { locale } from './locale.ts';
import { network } from './network.ts';
import { pointer } from './pointer.ts';
import { power } from './power.ts';
import { printers } from './printers.ts';
import { privileges } from './privileges.ts';
import { session } from './session.ts';
import type { Section, Setting } from './setting.ts';
import { updates } from './updates.ts';
import { usb } from './usb.ts';

export { DEFAULT_OFFLINE_USERS, MAX_OFFLINE_USERS, TIMING_SETTINGS } from './agent.ts';
export type { Section, Setting, SettingMerge, SettingScope, SettingUnit } from './setting.ts';

/** The catalogue of policy settings: the one source for validation, resolution, documents and forms. */
export const SETTING_SECTIONS: readonly Section[] = [
  access,
  agent,
  appearance,
  audio,
  browser,
  certificates,
  display,
  keyboard,
  locale,
  network,
  pointer,
  power,
  printers,
  privileges,
  session,
  updates,
  usb,
];

/** Every setting of the catalogue by its dotted key. */
export const SETTINGS: ReadonlyMap<string, Setting> = new Map(
  SETTING_SECTIONS.flatMap(section => section.settings.map(setting => [setting.key, setting] as const)),
);

const PREFIXES: ReadonlySet<string> = new Set(
  [...SETTINGS.keys()].flatMap(key => key.split('.').map((_, end, parts) => parts.slice(0, end).join('.'))),
);

/** Settings by dotted key, and the keys that the catalogue does not have. */
export type FlatSettings = {
  readonly known: ReadonlyMap<string, unknown>;
  readonly unknown: readonly string[];
  /** Written nested and dotted as well. */
  readonly repeated: readonly string[];
};

/** `{ power: { screenOffAfterMinutes: 10 } }` → `power.screenOffAfterMinutes: 10`; keys outside the catalogue apart. */
export function flattenSettings(settings: Readonly<Record<string, unknown>>): FlatSettings {
  const known = new Map<string, unknown>();
  const unknown: string[] = [];
  const repeated: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (SETTINGS.has(path)) {
      if (known.has(path)) repeated.push(path);
      known.set(path, value);
    } else if (PREFIXES.has(path) && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : `${path}.${key}`);
    } else unknown.push(path);
  };
  visit(settings, '');
  return { known, unknown, repeated };
}
