import { setImmediate } from 'node:timers/promises';
import { decodeToken, encodeToken } from '@thinman/protocol';
import fc, { type Arbitrary } from 'fast-check';
import { stringify } from 'yaml';
import { headerLine, readHeader } from '../../packages/server/src/care/backup-format.ts';
import { parseCount, parseDuration } from '../../packages/server/src/cli/thinman/arguments.ts';
import { CommandError } from '../../packages/server/src/cli/thinman/command-error.ts';
import { serverUrl } from '../../packages/server/src/cli/thinman/connection.ts';
import { parseFile } from '../../packages/server/src/cli/thinman/documents.ts';
import { readableKind } from '../../packages/server/src/cli/thinman/kinds.ts';
import { parsePin } from '../../packages/server/src/cli/thinman/trust.ts';
import { ConfigError, parseDatabaseUrl, parseListen, parseServerUrl } from '../../packages/server/src/config.ts';
import {
  formatRecoveryCode,
  newRecoveryCode,
  readRecoveryCode,
} from '../../packages/server/src/identity/recovery-code.ts';
import { AnyObject } from './requests.ts';
import { anyText } from './strings.ts';
import type { Target } from './target.ts';
import { bodiesOf, HOSTILE, valuesOf } from './values.ts';

/** What people paste and type, and the files that they write. Each gives a value, or says in words what is wrong. */
const READERS = {
  token: decodeToken,
  recoveryCode: readRecoveryCode,
  backupHeader: readHeader,
  pin: parsePin,
  duration: parseDuration,
  count: (text: string) => parseCount('--to', text),
  kind: readableKind,
  server: serverUrl,
  listen: parseListen,
  url: parseServerUrl,
  database: parseDatabaseUrl,
  file: readFile,
} as const;
type Reader = keyof typeof READERS;
type Text = { readonly reader: Reader; readonly text: string };

/** Every object of a file can say where it stands, whatever it is asked about. */
function readFile(text: string): void {
  for (const { where } of parseFile('a.yaml', text).objects) {
    for (const field of ['', 'body', 'body.x.y', '0', '__proto__']) where(field);
  }
}

const TOKEN = encodeToken({
  for: 'device',
  urls: ['https://a.example:8443'],
  pins: ['A'.repeat(43)],
  secret: 'A'.repeat(22),
});

const BACKUP_HEADER = headerLine({
  ...{
    siteId: '11111111-2222-4333-8444-555555555555',
    server: 'primary',
    epoch: 1,
    generation: 7,
    schema: 1,
    takenAt: 0,
  },
  ...{ caPin: 'A'.repeat(43), wrappedCaKey: 'AAAA', salt: 'A'.repeat(43) },
});

const RIGHT: readonly string[] = [
  ...[
    TOKEN,
    formatRecoveryCode(newRecoveryCode()),
    'A'.repeat(43),
    BACKUP_HEADER,
    '24h',
    '17',
    'users',
    'Policy',
    'https://a.example:8443',
  ],
  ...['0.0.0.0:7443', '[::1]:7443', 'sqlite:/var/lib/x.db', 'mysql://user:secret@host:3306/name'],
];
const hostile = HOSTILE.filter(value => typeof value === 'string');

/** YAML of objects; with aliases, tags, several documents, and cut anywhere. */
const yaml: Arbitrary<string> = fc
  .tuple(
    fc.array(valuesOf(AnyObject), { maxLength: 3 }),
    fc.constantFrom('', '&a ', '*a ', '!!js/function ', '<<: ', '? ', '- - ', '%YAML 1.1\n', '\t', '|\n', '!!binary '),
    fc.nat(),
    fc.boolean(),
  )
  .map(([objects, oddity, at, isCut]) => {
    const text = objects.map(object => stringify(object)).join('---\n');
    const place = at % (text.length + 1);
    return text.slice(0, place) + oddity + (isCut ? '' : text.slice(place));
  });

const words: Arbitrary<string> = fc
  .tuple(fc.constantFrom(...RIGHT, ...hostile), fc.nat(), anyText({ maxLength: 4 }), fc.nat(3))
  .map(([text, at, junk, how]) => {
    const place = at % (text.length + 1);
    if (how === 0) return text;
    return text.slice(0, place) + junk + text.slice(place + (how === 1 ? 0 : how));
  });

/** The parsers of the commands. */
export function texts(): Target<Text> {
  const names = Object.keys(READERS) as Reader[];
  return {
    name: 'texts',
    onTop: 3,
    inputs: fc.oneof(
      fc.record({ reader: fc.constantFrom(...names), text: fc.oneof(words, anyText()) }),
      fc.record({ reader: fc.constant<Reader>('file'), text: fc.oneof(yaml, bodiesOf(AnyObject)) }),
    ),
    async open() {
      // A library that warns on standard error may show there what it was given.
      const warnings: string[] = [];
      const onWarning = ({ message }: Error) => void warnings.push(message);
      process.on('warning', onWarning);
      return {
        async check({ reader, text }) {
          try {
            READERS[reader](text);
          } catch (error) {
            if (!(error instanceof CommandError || error instanceof ConfigError)) throw error;
          }
          await setImmediate();
          return warnings.pop();
        },
        async close() {
          process.off('warning', onWarning);
        },
      };
    },
  };
}
