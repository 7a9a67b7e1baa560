import type { Connection } from '@thinman/protocol';

/** Who opens a connection. */
export type Person = {
  /** null: nobody is signed in. */
  readonly user: string | null;
  /** The password of the login is held for them. */
  readonly canSignOn: boolean;
};

/** What a client's end means for what is done next. */
export type ExitMeaning =
  /** The person closed it, or logged off on the other side. */
  | 'ended'
  /** It dropped, or was never there: another try may help. */
  | 'failed'
  /** The other side refuses this user or password: another try would lock the account. */
  | 'refused';

/** A file that a client reads. It is written to a folder in memory and nowhere else. */
export type LaunchFile = { readonly name: string; readonly content: string };

/** What is started for a connection. Neither arguments nor files hold a password. */
export type Launch = {
  /** The first of them that the device has is started. */
  readonly programs: readonly string[];
  readonly args: readonly string[];
  /** Run to its end before; `FILE` among its arguments is the path of the file. Where that fails the client is started all the same, and says itself what is wrong. */
  readonly first?: {
    readonly programs: readonly string[];
    readonly args: readonly string[];
    /** Without it there is nothing to open: where none of the programs is there, the client is not started. */
    readonly isNeeded?: true;
  };
  /** Its path is put in front of the arguments. */
  readonly file?: LaunchFile | undefined;
  /** `stdin`: the password of the login is written there, with a line feed; `none`: the client asks the person, if it must. */
  readonly password: 'none' | 'stdin';
  /** Its first process ends while others of it go on: it lasts as long as one of its process group. */
  readonly lingers?: true;
  /** By exit code, or by the signal that ended it; what is not in it: 0 is `ended`, all others `failed`. */
  readonly exits: Readonly<Record<number, ExitMeaning>>;
};

export type LaunchPlan =
  | { readonly kind: 'launch'; readonly launch: Launch }
  /** It cannot be opened as it is; `why` names the field and says what to do. */
  | { readonly kind: 'unfit'; readonly why: string };

/** Among the arguments of what runs first: the path of the file. No value of a connection holds a NUL. */
export const FILE = '\u0000file';

/** A connection of one type. */
export type ConnectionOf<T extends Connection['type']> = Extract<Connection, { type: T }>;

export const launchOf = (launch: Launch): LaunchPlan => ({ kind: 'launch', launch });
export const unfit = (why: string): LaunchPlan => ({ kind: 'unfit', why });

export function meaningOf({ exits }: Launch, code: number | null): ExitMeaning {
  if (code === null) return 'failed';
  return exits[code] ?? (code === 0 ? 'ended' : 'failed');
}

/**
 * The first field with a character that ends a line: in a file of settings it would begin a setting of its own, and no host,
 * name or argument has one.
 */
export function brokenField(connection: Connection): string | undefined {
  return Object.entries(connection).find(([, value]) => typeof value === 'string' && /\p{Cc}/u.test(value))?.[0];
}
