import { Base64Url, canonicalJson, ObjectName, parseJson, Sha256, Uuid } from '@thinman/protocol';
import Type, { type Static } from 'typebox';

/** Another number: another form of what is sealed. */
const FORMAT = 'thinman-backup/1';
/** A line with a few certificates' worth of keys; more is no header. */
export const MAX_HEADER_BYTES = 64 * 1024;

/** The first line of a backup, in clear: what it is of, and what the recovery code opens. */
export const BackupHeader = Type.Object(
  {
    format: Type.Literal(FORMAT),
    siteId: Uuid,
    /** The Primary that it is of. */
    server: ObjectName,
    epoch: Type.Integer({ minimum: 1 }),
    generation: Type.Integer({ minimum: 1 }),
    schema: Type.Integer({ minimum: 1 }),
    /** Unix milliseconds. */
    takenAt: Type.Integer(),
    /** Of the CA whose key seals the rest. */
    caPin: Sha256,
    /** The CA's private key under the recovery code. */
    wrappedCaKey: Type.String({ maxLength: 16_384 }),
    salt: Base64Url(64),
  },
  { additionalProperties: false },
);
export type BackupHeader = Static<typeof BackupHeader>;

/**
 * Keys of the Primary, the first line of what is sealed: with them it is the same server to devices and Secondaries. Its wrapping
 * key is not among them: by another one the old host knows that it was replaced.
 */
export const BackupKeys = Type.Object(
  {
    /** PKCS #8, PEM. */
    ...{ tls: Type.String(), session: Type.String() },
    dataKey: Base64Url(512),
  },
  { additionalProperties: false },
);
export type BackupKeys = Static<typeof BackupKeys>;

/** Every line after the keys but the last one. */
export const BackupRows = Type.Object(
  { table: Type.String(), rows: Type.Array(Type.Record(Type.String(), Type.Unknown())) },
  { additionalProperties: false },
);

/** The last line. */
export const BackupEnd = Type.Object({ rows: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });

export function headerLine(header: Omit<BackupHeader, 'format'>): string {
  return `${canonicalJson({ format: FORMAT, ...header })}\n`;
}

/** undefined: no backup, or one of another format. */
export function readHeader(line: string): BackupHeader | undefined {
  const parsed = parseJson(BackupHeader, line, MAX_HEADER_BYTES);
  return parsed.ok ? parsed.value : undefined;
}
