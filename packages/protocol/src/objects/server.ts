import Type, { type Static } from 'typebox';
import { Base64Url, Sha256 } from '../names.ts';
import { closed, description, HttpsUrl } from './shape.ts';

/** A ThinMan server of the site. Made by `init` and `join`; the Primary is first, then by `order`, then by name. */
export const ServerBody = closed({
  description,
  url: HttpsUrl,
  order: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
});
export type ServerBody = Static<typeof ServerBody>;

/** What the site knows a server by: its keys, and the installation that holds them. */
export const ServerSystem = Type.Object({
  /** This server's instance: the site row names the Primary's. */
  instance: Type.String(),
  /** SHA-256 of the SPKI of its TLS key. */
  keyHash: Sha256,
  /** Raw Ed25519 public key that signs sessions. */
  sessionKey: Base64Url(64),
  /** Raw X25519 public key; the site data key is wrapped to it. */
  wrappingKey: Base64Url(64),
  wrappedDataKey: Base64Url(512),
});
export type ServerSystem = Static<typeof ServerSystem>;
