import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 128 bits: a token is pasted, not typed. */
const TOKEN_SECRET_BYTES = 16;

export function newTokenSecret(): string {
  return randomBytes(TOKEN_SECRET_BYTES).toString('base64url');
}

/** What is stored of it. 128 random bits need no slow hash. */
export function hashTokenSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** Compares in constant time. */
export function tokenSecretFits(secret: string, secretHash: string): boolean {
  return constantTimeEqual(hashTokenSecret(secret), secretHash);
}

export function constantTimeEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
