import Type, { type Static } from 'typebox';
import { MAX_FILE_BYTES } from '../limits.ts';
import { closed, description } from './shape.ts';

/** SHA-256 of a file's content as `sha256sum` prints it. */
export const FileHash = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'a SHA-256 as sha256sum prints it: 64 digits of 0-9a-f',
});

/**
 * A file that policies name: a wallpaper, a logo, certificates. The name stays, what is in it is known by its hash. Up to
 * MAX_FILE_BYTES the site holds it (`thinman file put`); a larger one lies at `url`, and devices fetch it there.
 */
export const FileBody = closed({
  description,
  sha256: FileHash,
  bytes: Type.Integer({ minimum: 0, maximum: 2 ** 40 }),
  url: Type.Optional(
    Type.String({
      pattern: '^https://[^\\s]+$',
      maxLength: 2048,
      description: 'a URL like https://files.example.org/wallpaper.png',
    }),
  ),
});
export type FileBody = Static<typeof FileBody>;

/** The marker in the schema of a setting whose value is the name of a File, or a list of them. */
const MARK = { file: true } as const;

/** The value of a setting that names a File. */
export const fileName = Type.String({
  pattern: '^([^\\s/\\\\:]{1,128})?$',
  description: 'the name of a File (thinman file put), or nothing',
  ...MARK,
});

/** Whether values by this schema name files. */
export function namesFile(schema: object): boolean {
  return 'file' in schema && schema.file === MARK.file;
}

/** Names of Files in the value of a setting with this schema. */
export function filesNamed(schema: object, value: unknown): readonly string[] {
  if (namesFile(schema)) return typeof value === 'string' && value !== '' ? [value] : [];
  const items = 'items' in schema && typeof schema.items === 'object' ? schema.items : null;
  if (items === null || !Array.isArray(value)) return [];
  return value.flatMap(item => filesNamed(items, item));
}

/** Whether the site can hold a file of this size itself. */
export function fitsSite(bytes: number): boolean {
  return bytes <= MAX_FILE_BYTES;
}
