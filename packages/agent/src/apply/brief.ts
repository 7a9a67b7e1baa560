import { MAX_SECTION_WHY_LENGTH } from '@thinman/protocol';

/** One line for people, no longer than a report takes; control characters become spaces. */
export function brief(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}]+/gu, ' ').trim();
  return line.length > MAX_SECTION_WHY_LENGTH ? `${line.slice(0, MAX_SECTION_WHY_LENGTH - 1)}…` : line;
}
