import {
  type FieldProblem,
  flattenSettings,
  isTimeZone,
  type LoginHours,
  type PolicyBody,
  SETTINGS,
} from '@thinman/protocol';
import { checkTemplated } from './check-variables.ts';
import { didYouMean } from './nearest.ts';

/** A policy's settings against the catalogue: known keys, right values, right scope; enforced keys must be set. */
export function checkPolicy({ scope, settings, enforced }: PolicyBody): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  const flat = flattenSettings(settings);
  for (const key of flat.unknown) {
    problems.push({
      field: `body.settings.${key}`,
      message: `is not a setting${didYouMean(key, SETTINGS.keys())}`,
    });
  }
  for (const key of flat.repeated) {
    problems.push({
      field: `body.settings.${key}`,
      message: 'is here twice, nested and dotted: leave one of them out',
    });
  }
  for (const [key, value] of flat.known) {
    const setting = SETTINGS.get(key);
    if (setting === undefined) continue;
    const deviceOnly = scope === 'device' || setting.scope === 'device';
    for (const { field, message } of checkTemplated(setting.schema, value, { deviceOnly, plain: {} })) {
      problems.push({ field: `body.settings.${key}${field === '' ? '' : `.${field}`}`, message });
    }
    const zone = zoneIn(key, value);
    if (zone !== undefined && !isTimeZone(zone.name)) {
      problems.push({
        field: `body.settings.${zone.field}`,
        message: `"${zone.name}" is no time zone; write one like Europe/Rome`,
      });
    }
    if (scope !== undefined && setting.scope !== 'both' && setting.scope !== scope) {
      problems.push({
        field: `body.settings.${key}`,
        message: `is a setting of ${setting.scope}s, and this policy has scope: ${scope}`,
      });
    }
  }
  for (const [at, key] of (enforced ?? []).entries()) {
    if (flat.known.has(key)) continue;
    const message = SETTINGS.has(key)
      ? `"${key}" is enforced, but not set in this policy`
      : `"${key}" is not a setting${didYouMean(key, SETTINGS.keys())}`;
    problems.push({ field: `body.enforced.${at}`, message });
  }
  return problems;
}

/** A time zone that a setting names; undefined: it names none, or a variable does. */
function zoneIn(key: string, value: unknown): { readonly field: string; readonly name: string } | undefined {
  const [field, name] =
    key === 'access.hours' ? [`${key}.timeZone`, (value as LoginHours | null)?.timeZone] : [key, value];
  if (key !== 'access.hours' && key !== 'locale.timeZone') return undefined;
  return typeof name === 'string' && !name.includes('${') ? { field, name } : undefined;
}
