import { visibleLines } from '@thinman/protocol';
import { Document, Scalar, visit } from 'yaml';
import { CommandError, EXIT } from './command-error.ts';

export const FORMATS = ['table', 'yaml', 'json'] as const;
export type Format = (typeof FORMATS)[number];

export function parseFormat(text: string): Format {
  const format = FORMATS.find(known => known === text);
  if (format !== undefined) return format;
  throw new CommandError(EXIT.misuse, `-o ${text} is not known: write one of ${FORMATS.join(', ')}`);
}

export function toJson(value: unknown): string {
  return visibleLines(`${JSON.stringify(value, null, 2)}\n`);
}

/** One document a value, as `apply -f` reads them, and as a terminal may show them. */
export function toYaml(values: readonly unknown[]): string {
  return values.map(value => visibleLines(documentOf(value).toString({ lineWidth: 0 }))).join('---\n');
}

/** Between quotation marks alone an escape is one. */
function documentOf(value: unknown): Document {
  const document = new Document(value);
  visit(document, {
    Scalar(_key, node) {
      const isUnseen = typeof node.value === 'string' && visibleLines(node.value) !== node.value;
      if (isUnseen) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return document;
}
