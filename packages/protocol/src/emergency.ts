import Type, { type Static } from 'typebox';
import { lengthPrefixed } from './canonical.ts';
import { LoginName, ObjectName } from './names.ts';
import { closed } from './objects/shape.ts';

// A code by telephone lifts age, attempt limit and clock rule of an offline login, for some hours (ADR 0058).

/** First part of what the code is a keyed hash of. */
export const EMERGENCY_INFO = 'thinman/1/emergency';

/** How long a code is good for. The device tries each: few, so that a guess has few chances. */
export const EMERGENCY_HOURS = [1, 2, 4, 8, 12, 24, 48, 72] as const;
/** One of these. */
export type EmergencyHours = (typeof EMERGENCY_HOURS)[number];
/** A working day. */
export const DEFAULT_EMERGENCY_HOURS: EmergencyHours = 8;

/** Read out and typed by telephone: eight digits are said in two groups, and are guessed by nobody within their time. */
export const EMERGENCY_CHALLENGE_DIGITS = 8;
/** A challenge, from when it is shown: a telephone call. */
export const EMERGENCY_CHALLENGE_MS = 15 * 60_000;
/** Wrong codes until a challenge is over: people mistype, and 47 bits are not guessed in five tries. */
export const EMERGENCY_TRIES = 5;
/** Wrong passwords within the time of one code, after which it is over: a thief who has talked a code out of the helpdesk gets no more. */
export const EMERGENCY_MAX_FAILURES = 20;

/** Refusals of an offline login that a code lifts. */
export const EMERGENCY_LIFTS = ['cached_login_expired', 'offline_attempts_exhausted', 'clock_went_back'] as const;

/** Letters and digits of a code: 50 bits. */
export const EMERGENCY_CODE_LENGTH = 10;
const BITS_PER_DIGIT = 5;
/** Crockford's base 32: no I, L, O, U. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** What device and server agree on, by telephone or by themselves. */
export type EmergencyParts = {
  /** The Device object's id. */
  readonly deviceId: string;
  /** As it is typed at login. */
  readonly user: string;
  readonly challenge: string;
  readonly hours: EmergencyHours;
};

/** What the code is the HMAC-SHA-256 of, under the device's emergency key. */
export function emergencyBytes({ deviceId, user, challenge, hours }: EmergencyParts): Uint8Array {
  return lengthPrefixed([EMERGENCY_INFO, deviceId, user.normalize('NFC'), challenge, String(hours)]);
}

/** The first 50 bits of an HMAC, in ten letters and digits. */
export function emergencyCode(mac: Uint8Array): string {
  let code = '';
  for (let at = 0; at < EMERGENCY_CODE_LENGTH * BITS_PER_DIGIT; at += BITS_PER_DIGIT) {
    const two = ((mac[at >> 3] ?? 0) << 8) | (mac[(at >> 3) + 1] ?? 0);
    code += DIGITS[(two >> (16 - BITS_PER_DIGIT - (at & 7))) & 31];
  }
  return code;
}

/** A code as somebody typed it, in its one form; undefined: it cannot be one. */
export function readEmergencyCode(typed: string): string | undefined {
  const code = typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  const isCode = code.length === EMERGENCY_CODE_LENGTH && [...code].every(digit => DIGITS.includes(digit));
  return isCode ? code : undefined;
}

/** In two halves, as it is read out. */
export function inHalves(text: string): string {
  return `${text.slice(0, text.length / 2)}-${text.slice(text.length / 2)}`;
}

const Hours = Type.Unsafe<EmergencyHours>(Type.Union(EMERGENCY_HOURS.map(hours => Type.Literal(hours))));
const Challenge = Type.String({ pattern: `^[0-9]{${EMERGENCY_CHALLENGE_DIGITS}}$` });

/** `POST /v1/admin/emergency-code`, on any server. */
export const EmergencyCodeRequest = closed({
  device: ObjectName,
  user: LoginName,
  challenge: Challenge,
  hours: Hours,
});
export type EmergencyCodeRequest = Static<typeof EmergencyCodeRequest>;

/** The code, in the form that is read out. It is in no log and no event. `userUnknown`: the server has no such user; perhaps it was misheard. */
export const EmergencyCodeAnswer = Type.Object({
  code: Type.String(),
  hours: Hours,
  userUnknown: Type.Optional(Type.Literal(true)),
});
export type EmergencyCodeAnswer = Static<typeof EmergencyCodeAnswer>;

/** `POST /v1/emergency` on a local socket: without `code` for a challenge, with it to redeem it. */
export const LocalEmergencyRequest = closed({ user: LoginName, code: Type.Optional(Type.String({ maxLength: 64 })) });
export type LocalEmergencyRequest = Static<typeof LocalEmergencyRequest>;

/** What the person reads out, or how long the user may log in offline now. */
export const LocalEmergencyAnswer = Type.Union([
  Type.Object({
    state: Type.Literal('challenge'),
    device: Type.String(),
    user: Type.String(),
    challenge: Challenge,
    expiresInMs: Type.Integer({ minimum: 0 }),
    triesLeft: Type.Integer({ minimum: 0 }),
  }),
  Type.Object({ state: Type.Literal('accepted'), user: Type.String(), hours: Hours }),
]);
export type LocalEmergencyAnswer = Static<typeof LocalEmergencyAnswer>;
