// What happened while the nemesis was at work, as those saw it to whom it happened: to be held against what the site recorded.
import type { LoginResult } from '@thinman/protocol';

export type Moment = { readonly startMs: number; readonly endMs: number };

/** One login as a person made it. */
export type MadeLogin = Moment & {
  readonly device: string;
  readonly user: string;
  readonly password: string;
  /** undefined: the agent gave none (it was killed, or hung). */
  readonly answer: LoginResult | undefined;
  readonly code: number | null;
  /** The device held a tombstone of this user, before and after. */
  readonly entombed?: boolean;
};

/** What a user may do and by which password, from one generation of its object on. */
export type UserState = { readonly password: string; readonly disabled: boolean };

/** One administrative write that was asked for. */
export type Write = Moment & {
  readonly what: string;
  /** Of the object that it touched, as it was read back; undefined: not acknowledged. */
  readonly generation: number | undefined;
};

export type UserWrite = Write & { readonly user: string; readonly state: UserState };

export type Happened = Moment & { readonly what: string };

export type History = {
  readonly logins: MadeLogin[];
  readonly writes: Write[];
  readonly userWrites: UserWrite[];
  /** Objects that were acknowledged, by name of their DeviceGroup. */
  readonly groups: Set<string>;
  /** What a Secondary was asked to write. */
  readonly strays: Set<string>;
  readonly faults: Happened[];
  /** The last time at which all was healed, and everything held. */
  heldMs: number;
};

export function createHistory(): History {
  return {
    ...{ logins: [], writes: [], userWrites: [], groups: new Set(), strays: new Set(), faults: [] },
    heldMs: Date.now(),
  };
}

/** Something that must never be; `about`: words that a line of the history has if it concerns this. */
export class Finding extends Error {
  override readonly name = 'Finding';
  readonly about: readonly string[];
  constructor(what: string, about: readonly string[] = []) {
    super(what);
    this.about = about;
  }
}

/** The shortest history that shows it: since everything held the last time, and only what it concerns; all faults of that time. */
export function excerpt(history: History, about: readonly string[]): readonly string[] {
  const concerns = (line: string) => about.length === 0 || about.some(word => line.includes(word));
  const lines: readonly (Moment & { readonly line: string })[] = [
    ...history.faults.map(fault => ({ ...fault, line: `FAULT  ${fault.what}` })),
    ...history.logins
      .map(login => ({ ...login, line: `login  ${loginInWords(login)}` }))
      .filter(({ line }) => concerns(line)),
    ...history.writes
      .map(write => ({ ...write, line: `write  ${writeInWords(write)}` }))
      .filter(({ line }) => concerns(line)),
  ];
  return lines
    .filter(({ endMs }) => endMs >= history.heldMs)
    .toSorted((a, b) => a.startMs - b.startMs)
    .map(({ startMs, endMs, line }) => `${time(startMs)} … ${time(endMs)}  ${line}`);
}

export function loginInWords({ device, user, password, answer, code }: MadeLogin): string {
  const said =
    answer === undefined
      ? `no answer (${code})`
      : [answer.verdict, answer.reason, answer.mode, answer.server && `by ${answer.server}`].filter(Boolean).join(' ');
  return `${user} on ${device} with ${password}: ${said} ${answer === undefined ? '' : `${answer.epoch}.${answer.generation}`}`;
}

const writeInWords = ({ what, generation }: Write) =>
  `${what}: ${generation === undefined ? 'not acknowledged' : `generation ${generation}`}`;

const time = (ms: number) => new Date(ms).toISOString().slice('YYYY-MM-DDT'.length, -1);
