import { inHalves, type LocalEmergencyAnswer } from '@thinman/protocol';
import { de } from './de.ts';
import { en } from './en.ts';
import { it } from './it.ts';
import type { Reason, Words } from './shape.ts';

/** In the order in which they are offered; the first is for whoever speaks none of them. */
export const LANGUAGES = { en, it, de } as const satisfies Readonly<Record<string, Words>>;
export type Language = keyof typeof LANGUAGES;

/** The language of `it_IT.UTF-8`, `de-AT` or `de-AT,de;q=0.9,en;q=0.8`: the first of them that is spoken here. */
export function languageOf(wanted = ''): Language {
  for (const one of wanted.split(/[,:]/)) {
    const name = one.trim().slice(0, 2).toLowerCase();
    if (isLanguage(name)) return name;
  }
  return 'en';
}

const isLanguage = (name: string): name is Language => Object.hasOwn(LANGUAGES, name);

/** One line: what is wrong, and how long to wait. */
export function denial(words: Words, reason: string | null, retryAfterMs?: number, nowMs = Date.now()): string {
  const { reasons, tryAgain, permittedFrom } = words;
  const text = reason !== null && isReason(words, reason) ? reasons[reason] : reasons.other;
  if (retryAfterMs === undefined || retryAfterMs <= 0) return text;
  if (reason === 'not_permitted') {
    return `${text} ${fill(permittedFrom, { when: dayAndTime(words.locale, nowMs + retryAfterMs) })}`;
  }
  return `${text} ${fill(tryAgain, { seconds: Math.ceil(retryAfterMs / 1000) })}`;
}

/** By the clock of this device: `Monday 07:00`. */
function dayAndTime(locale: string, atMs: number): string {
  return new Intl.DateTimeFormat(locale, { weekday: 'long', hour: '2-digit', minute: '2-digit' }).format(atMs);
}

const MS_PER_MINUTE = 60_000;

/** One line: what to tell the helpdesk, and how long it is good for. */
export function emergencyWords(
  { challenge }: Words,
  shown: Extract<LocalEmergencyAnswer, { state: 'challenge' }>,
): string {
  const { device, user, triesLeft: tries, expiresInMs } = shown;
  const minutes = Math.ceil(expiresInMs / MS_PER_MINUTE);
  return fill(challenge, { device, user, challenge: inHalves(shown.challenge), minutes, tries });
}

const isReason = (words: Words, reason: string): reason is Reason => Object.hasOwn(words.reasons, reason);

/** Puts values in the place of `{name}`. */
export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
