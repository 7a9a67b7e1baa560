import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CaAnswer } from '@thinman/protocol';
import { keyHashOfCertificate } from '../../identity/key-hash.ts';
import { httpsJson } from '../../runtime/https-json.ts';
import { CommandError, EXIT } from './command-error.ts';

/** One small answer over one connection. */
const CA_DEADLINE_MS = 10_000;

export type TrustOptions = { readonly ca?: string; readonly pin?: string };

/** Whom to trust at this server, as PEM; none = the system's own CAs. */
export async function trustFor(server: string, { ca, pin }: TrustOptions): Promise<readonly string[]> {
  if (ca !== undefined && pin !== undefined) throw new CommandError(EXIT.misuse, 'give --ca or --pin, not both');
  if (ca !== undefined) return [readCa(ca)];
  return pin === undefined ? [] : pinnedCa(server, parsePin(pin));
}

function readCa(file: string): string {
  try {
    const pem = readFileSync(file, 'utf8');
    new X509Certificate(pem);
    return pem;
  } catch {
    throw new CommandError(EXIT.misuse, `${file} is not a CA certificate (PEM) that can be read`);
  }
}

/** Asks the server for its site's CA without trusting it, sends nothing, and believes it by the pin alone. */
async function pinnedCa(server: string, pin: string): Promise<readonly string[]> {
  const answer = await httpsJson({
    url: `${server}/v1/ca`,
    schema: CaAnswer,
    trust: 'trust-nobody',
    deadlineMs: CA_DEADLINE_MS,
  });
  if (answer.kind === 'failed') throw new CommandError(EXIT.unreachable, `${server} cannot be reached: ${answer.why}`);
  const certificates = answer.kind === 'ok' ? answer.value.certificates : [];
  const pinned = certificates.filter(pem => hasPin(pem, pin));
  if (pinned.length > 0) return pinned;
  throw new CommandError(
    EXIT.misuse,
    `the CA at ${server} does not have this pin: it is another site, or somebody is in between; nothing was sent`,
  );
}

/** What a server gives out before it is trusted may be anything. */
function hasPin(pem: string, pin: string): boolean {
  try {
    return keyHashOfCertificate(new X509Certificate(pem)) === pin;
  } catch {
    return false;
  }
}

const SHA256_BYTES = 32;

/** SHA-256 of the CA's public key: base64url as `init` prints it; base64 and hexadecimal are understood too. */
export function parsePin(text: string): string {
  const bare = text.trim().replace(/^sha256[:/]*/i, '');
  const hex = bare.replaceAll(':', '');
  const bytes = /^[0-9a-f]{64}$/i.test(hex) ? Buffer.from(hex, 'hex') : Buffer.from(bare, 'base64');
  if (bytes.length === SHA256_BYTES && /^[\w+/:=-]+$/.test(bare)) return bytes.toString('base64url');
  throw new CommandError(EXIT.misuse, 'the pin is not a SHA-256: paste what thinman-server init printed');
}
