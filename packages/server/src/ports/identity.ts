import type { KdfParameters, SignedStatement, SiteStatement, WeekHours } from '@thinman/protocol';

/** This server's own keys and the site's, as they are now: a certificate is renewed, a CA changed, while it runs. */
export type ServerIdentity = {
  readonly siteId: string;
  readonly instance: string;
  readonly name: string;
  /** SHA-256 of the SPKI of its TLS key, base64url. */
  readonly keyHash: string;
  /** Raw X25519 public key, base64url: another one in the statement is another host, restored in the place of this one. */
  readonly wrappingKey: string;
  readonly tls: { readonly keyPem: string; readonly certificatePem: string };
  readonly caCertificates: readonly string[];
};

/** The site CA that issues now; only where its key lies (the Primary). */
export type CertificateAuthority = {
  issueDevice(csrPem: string, deviceId: string): Promise<IssuedCertificate>;
  /** While the CA is changed, `pem` ends with the certificate that ties the new one to the old one. */
  issueServer(csrPem: string, name: string, urls: readonly string[]): Promise<IssuedCertificate>;
  /** By the key of its first pin, and by those of the others that are here. */
  sign(statement: SiteStatement): SignedStatement;
};

export type IssuedCertificate = {
  readonly pem: string;
  readonly keyHash: string;
  readonly serial: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
};

/** The site data key: secrets of objects, and what must be alike on all servers. */
export type SiteDataKey = {
  /** HMAC-SHA256 under a key derived from the data key for this purpose. */
  mac(purpose: 'false-salt' | 'failure-fact' | 'login-binding' | 'emergency-key', ...parts: readonly string[]): Buffer;
  seal(plain: string, context: string): string;
  open(sealed: string, context: string): string;
  /** The data key itself, wrapped to another server's raw X25519 key (base64url). */
  wrapFor(wrappingKey: string): string;
  /** Seals with a new key; opens what this one opens, and makes the same MACs. */
  renewed(): SiteDataKey;
  /** The one that is wrapped to this server in its Server object (`wrappedDataKey`); this one where that is no newer one. */
  heldIn(wrapped: string): SiteDataKey;
};

/** What a directory said of a user: the groups that the site knows, and the name to show. */
export type DirectoryClaims = {
  readonly groups: readonly string[];
  readonly displayName?: string;
  /** When the directory lets the user in, if not always. */
  readonly hours?: WeekHours;
  /** When it said so, by the clock of the server that asked; Unix ms. Tokens of earlier releases do not say. */
  readonly saidAt?: number;
  /** There are more groups than a token has room for: what rests on all of them must not be decided by these. */
  readonly isCut?: true;
};

/** What a session token says. */
export type SessionClaims = {
  readonly loginId: string;
  readonly userId: string;
  readonly user: string;
  readonly deviceKeyHash: string;
  readonly credentialVersion: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly expiresAt: number;
  /** A directory's user, who has no object. */
  readonly directory?: DirectoryClaims;
};

export type SessionTokens = {
  issue(claims: Omit<SessionClaims, 'expiresAt'>): Promise<{ readonly token: string; readonly expiresAt: number }>;
  /** Any server of the statement may have issued it. `allowExpired`: for logout. */
  verify(token: string, statement: SiteStatement, allowExpired?: boolean): Promise<SessionClaims | undefined>;
};

/** Turns passwords into credentials, in Node's thread pool, behind a bounded queue. */
export type PasswordHasher = {
  credential(
    password: string,
    siteId: string,
    kdf: KdfParameters,
  ): Promise<{ readonly salt: string; readonly publicKey: string }>;
  fits(
    password: string,
    siteId: string,
    credential: { readonly kdf: KdfParameters; readonly salt: string; readonly publicKey: string },
  ): Promise<boolean>;
  administrator(password: string): Promise<{ readonly passwordSalt: string; readonly passwordHash: string }>;
  administratorFits(
    password: string,
    held: { readonly passwordSalt: string; readonly passwordHash: string },
  ): Promise<boolean>;
};
