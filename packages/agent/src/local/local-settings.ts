import { describeProblems, parseJson } from '@thinman/protocol';
import Type, { type Static } from 'typebox';
import { errorCode } from '../error-code.ts';
import { readSmallFileIfThere, UnfitFile } from '../read-file.ts';
import { SEALS } from '../seals.ts';

/** Above what anybody writes there. */
const MAX_FILE_BYTES = 64 * 1024;
/** Between the accounts of the system and those of containers: nobody else gives these out (systemd's UIDS-GIDS). */
const FIRST_UID = 70_000;
const LAST_UID = 99_999;
/** Where systemd looks for user records that last until the next boot. */
const USERDB_FOLDER = '/run/userdb';

const closed = <P extends Type.TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });
const Folder = Type.String({ pattern: '^/', minLength: 2, maxLength: 1024 });
const folder = Type.Optional(Folder);
const AccountName = Type.String({ pattern: '^[a-z_][a-z0-9_-]{0,31}$' });
const Uid = Type.Integer({ minimum: 1_000, maximum: 2_147_483_647 });

/** `local.json` in the agent's data folder: what this one machine has set, by its own administrator. */
export const LocalSettings = closed({
  /** The greeter page for a kiosk browser, on this port of 127.0.0.1. Left out: there is none. */
  greeter: Type.Optional(closed({ port: Type.Integer({ minimum: 1, maximum: 65_535 }) })),
  /** How the device's secret is kept: in a file, or sealed by `systemd-creds` (ADR 0084). Left out: as it is. */
  deviceSecret: Type.Optional(
    closed({
      seal: Type.Union([...SEALS, 'auto' as const, 'file' as const].map(word => Type.Literal(word))),
      ifRefused: Type.Optional(Type.Union([Type.Literal('wait'), Type.Literal('renew')])),
    }),
  ),
  /** How whoever logs in through PAM becomes a Unix user. Left out: ThinMan makes none. */
  unixAccounts: Type.Optional(
    Type.Union([
      /** All sessions run as this account of the machine (a kiosk). */
      closed({ kind: Type.Literal('shared'), account: AccountName, folder }),
      /** Each user has a uid of their own on this device, for good, and a home folder. */
      closed({
        kind: Type.Literal('own'),
        firstUid: Type.Optional(Uid),
        lastUid: Type.Optional(Uid),
        homes: Type.Optional(Folder),
        shell: Type.Optional(Folder),
        folder,
      }),
    ]),
  ),
});
export type LocalSettings = Static<typeof LocalSettings>;

/** How a Unix user is made of a ThinMan user; every value is set. */
export type UnixAccountSettings =
  | { readonly kind: 'shared'; readonly account: string; readonly folder: string }
  | {
      readonly kind: 'own';
      readonly firstUid: number;
      readonly lastUid: number;
      readonly homes: string;
      readonly shell: string;
      readonly folder: string;
    };

/** `local.json` cannot be used; `message` says what is wrong in it. */
export class LocalSettingsUnusable extends Error {
  override readonly name = 'LocalSettingsUnusable';
}

/** No file: nothing is set. Throws LocalSettingsUnusable. */
export function readLocalSettings(file: string): LocalSettings {
  let text: string | undefined;
  try {
    text = readSmallFileIfThere(file, MAX_FILE_BYTES)?.toString();
  } catch (error) {
    const what = error instanceof UnfitFile ? error.what : `cannot be read (${errorCode(error) ?? 'unknown'})`;
    throw new LocalSettingsUnusable(`${file} ${what}: mend it or remove it`);
  }
  if (text === undefined) return {};
  const parsed = parseJson(LocalSettings, text, MAX_FILE_BYTES);
  if (parsed.ok) return parsed.value;
  throw new LocalSettingsUnusable(
    `${file} is not valid: ${describeProblems(parsed.problems)} (docs/login-screens.md and docs/devices.md show it)`,
  );
}

/** With the defaults where nothing is set. */
export function unixAccountSettings(set: NonNullable<LocalSettings['unixAccounts']>): UnixAccountSettings {
  const { folder: where = USERDB_FOLDER } = set;
  if (set.kind === 'shared') return { kind: 'shared', account: set.account, folder: where };
  const { firstUid = FIRST_UID, lastUid = LAST_UID, homes = '/home', shell = '/bin/bash' } = set;
  return { kind: 'own', firstUid, lastUid, homes, shell, folder: where };
}
