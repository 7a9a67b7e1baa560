import Type, { type Static } from 'typebox';
import { Sha256 } from './names.ts';

/** A certificate in use. `issuer`: pin of its CA. `expiresAt`: Unix milliseconds. */
export const CertificateFacts = Type.Object({ issuer: Sha256, expiresAt: Type.Integer() });
export type CertificateFacts = Static<typeof CertificateFacts>;

/**
 * Where a site stands in the change of its CA. `steady`: it has one. `begun`: all learn to trust the next one, the old one
 * issues. `switched`: the new one issues, the old one is still trusted.
 */
export const CaPhase = Type.Union([Type.Literal('steady'), Type.Literal('begun'), Type.Literal('switched')]);
export type CaPhase = Static<typeof CaPhase>;

/** Why a server or a device is not ready for the next step. */
export const CaObstacle = Type.Union([
  /** A Secondary without a link: nobody knows what it trusts and shows. */
  Type.Literal('not_linked'),
  /** A Secondary that has not got the newest statement yet. */
  Type.Literal('behind'),
  /** A device that does not hold the next CA yet. */
  Type.Literal('lacks_next_ca'),
  /** Its certificate is still one of the CA before. */
  Type.Literal('old_certificate'),
]);
export type CaObstacle = Static<typeof CaObstacle>;

/** Who has not taken what a change of the CA waits for. */
export const CaWaiting = Type.Object({
  kind: Type.Union([Type.Literal('Server'), Type.Literal('Device')]),
  name: Type.String(),
  why: CaObstacle,
  /** Unix milliseconds; null = never, or not known. */
  lastHeardAt: Type.Union([Type.Integer(), Type.Null()]),
});
export type CaWaiting = Static<typeof CaWaiting>;

/** `thinman-server ca status --json`. */
export const CaStatus = Type.Object({
  phase: CaPhase,
  /** The one that issues first. */
  cas: Type.Array(
    Type.Object({
      pin: Sha256,
      role: Type.Union([Type.Literal('issuing'), Type.Literal('next'), Type.Literal('previous')]),
      expiresAt: Type.Integer(),
    }),
  ),
  servers: Type.Array(Type.Object({ name: Type.String(), certificate: Type.Union([CertificateFacts, Type.Null()]) })),
  /** Live devices that are not revoked; how many of them are ready for the next step. */
  devices: Type.Object({ total: Type.Integer(), ready: Type.Integer() }),
  /** What the next step waits for. */
  waitingFor: Type.Array(CaWaiting),
  /** Not ready, but not heard of lately either: the next step does not wait for them. */
  away: Type.Array(CaWaiting),
});
export type CaStatus = Static<typeof CaStatus>;

/** `begin`, `switch`, `finish`. `--force`: without waiting for anybody. */
export const CaStepRequest = Type.Object({ force: Type.Optional(Type.Boolean()) }, { additionalProperties: false });
export type CaStepRequest = Static<typeof CaStepRequest>;

/** `already`: there was nothing left to do. `too_early`: another step comes first. `waiting`: see `status.waitingFor`. */
export const CaStepAnswer = Type.Object({
  outcome: Type.Union([
    Type.Literal('done'),
    Type.Literal('already'),
    Type.Literal('too_early'),
    Type.Literal('waiting'),
  ]),
  status: CaStatus,
  /** Of `begin`: shown once, kept nowhere. */
  recoveryCode: Type.Optional(Type.String()),
  /** Of `begin`: it was begun before, and the recovery code that was shown then is void. */
  repeated: Type.Optional(Type.Boolean()),
});
export type CaStepAnswer = Static<typeof CaStepAnswer>;
