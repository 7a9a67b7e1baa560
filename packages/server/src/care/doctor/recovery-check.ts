import { hash } from 'node:crypto';
import { chownSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '@thinman/protocol';
import Type from 'typebox';
import { identityFolder } from '../../identity/identity-files.ts';
import { writeFileAtomically } from '../../identity/key-files.ts';
import { keyHashOf } from '../../identity/key-hash.ts';
import { pinsOf } from '../../identity/pins.ts';
import { readRecoveryCode, unwrapCaKeys } from '../../identity/recovery-code.ts';
import type { SiteRow } from '../../ports.ts';
import { type Check, fail, ok, warn } from './check.ts';

/** When somebody has last shown that the code on paper is the one, and of which wrapping: `ca begin` makes another code. */
const FILE = 'recovery-code.verified';
const Verified = Type.Object({ at: Type.Integer(), wrapped: Type.String() });
const MAX_FILE_CHARS = 1024;
const DAY_CHARS = 10;

type Wrapped = Pick<SiteRow, 'siteId' | 'caCertificates' | 'wrappedCaKey'>;

/** `code`: as it was typed, to be verified now. */
export function checkRecoveryCode(dataDir: string, site: Wrapped, code: string | undefined, nowMs: number): Check {
  if (code !== undefined) return verify(dataDir, site, code, nowMs);
  const at = verifiedAt(dataDir, site);
  if (at !== undefined) return ok('recovery code', `verified on ${dayOf(at)}`);
  return warn(
    'recovery code',
    'nobody has shown on this host that it is known',
    `take it from where it is kept: thinman-server doctor --data ${dataDir} --recovery-code-stdin`,
  );
}

function verify(dataDir: string, site: Wrapped, typed: string, nowMs: number): Check {
  const read = readRecoveryCode(typed);
  if (!read.ok) return fail('recovery code', read.why, 'type it again');
  const opened = unwrapCaKeys(site.wrappedCaKey, read.code, site.siteId).map(key => keyHashOf(key));
  read.code.fill(0);
  const [issuing = ''] = pinsOf(site.caCertificates);
  if (!opened.includes(issuing)) {
    return fail(
      'recovery code',
      "this code does not open the site's CA key",
      'look for the code that "init", or the last "ca begin", printed; if it is lost: thinman-server ca begin, switch, finish',
    );
  }
  const path = join(identityFolder(dataDir), FILE);
  writeFileAtomically(path, `${JSON.stringify({ at: nowMs, wrapped: wrappingOf(site) })}\n`);
  const { uid, gid } = statSync(identityFolder(dataDir));
  chownSync(path, uid, gid);
  return ok('recovery code', "this code opens the site's CA key; noted");
}

function verifiedAt(dataDir: string, site: Wrapped): number | undefined {
  try {
    const parsed = parseJson(Verified, readFileSync(join(identityFolder(dataDir), FILE), 'utf8'), MAX_FILE_CHARS);
    return parsed.ok && parsed.value.wrapped === wrappingOf(site) ? parsed.value.at : undefined;
  } catch {
    return undefined;
  }
}

const wrappingOf = ({ wrappedCaKey }: Wrapped) => hash('sha256', wrappedCaKey, 'base64url');
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, DAY_CHARS);
