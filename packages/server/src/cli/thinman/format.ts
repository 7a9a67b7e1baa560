import { stringify } from 'yaml';
import { CommandError, EXIT } from './command-error.ts';

export const FORMATS = ['table', 'yaml', 'json'] as const;
export type Format = (typeof FORMATS)[number];

export function parseFormat(text: string): Format {
  const format = FORMATS.find(known => known === text);
  if (format !== undefined) return format;
  throw new CommandError(EXIT.misuse, `-o ${text} is not known: write one of ${FORMATS.join(', ')}`);
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** One document a value, as `apply -f` reads them. */
export function toYaml(values: readonly unknown[]): string {
  return values.map(value => stringify(value, { lineWidth: 0 })).join('---\n');
}
