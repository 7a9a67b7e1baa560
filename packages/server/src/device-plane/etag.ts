import { createHash } from 'node:crypto';
import { canonicalJson } from '@thinman/protocol';

/** SHA-256 of the canonical JSON, base64url: equal contents have equal tags on all servers. */
export function etagOf(content: unknown): string {
  return createHash('sha256').update(canonicalJson(content)).digest('base64url');
}

/** Whether `If-None-Match` names this tag (RFC 9110, 13.1.2; weak comparison). */
export function noneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return true;
  return !header.split(',').some(tag => tag.trim().replace(/^W\//, '') === `"${etag}"`);
}
