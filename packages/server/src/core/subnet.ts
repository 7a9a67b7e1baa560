/** An address as 16 bytes; one of IPv4 as `::ffff:a.b.c.d`. */
export type AddressBytes = readonly number[];

export type Subnet = { readonly bytes: AddressBytes; readonly bits: number };

const IPV4_BYTES = 4;
const IPV6_GROUPS = 8;
const IPV6_BYTES = 16;
const BITS = 8;
const MAPPED_BITS = 96;
const MAPPED: AddressBytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** Reads `10.3.0.7`, `2001:db8::1`, `::ffff:10.3.0.7`, `fe80::1%eth0`; undefined: it is none. */
export function parseAddress(text: string): AddressBytes | undefined {
  const [address = ''] = text.split('%', 1);
  if (!address.includes(':')) {
    const four = parseIpv4(address);
    return four && [...MAPPED, ...four];
  }
  return parseIpv6(address);
}

/** `10.3.0.0/16`; undefined: it is none. Bits beyond the length do not count. */
export function parseSubnet(text: string): Subnet | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const bytes = parseAddress(address);
  if (bytes === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const own = Number(length);
  const isIpv4 = !address.includes(':');
  if (own > (isIpv4 ? IPV4_BYTES : IPV6_BYTES) * BITS) return undefined;
  return { bytes, bits: isIpv4 ? own + MAPPED_BITS : own };
}

export function isInSubnet(address: AddressBytes, { bytes, bits }: Subnet): boolean {
  for (let at = 0; at * BITS < bits; at++) {
    const counted = Math.min(BITS, bits - at * BITS);
    const shift = BITS - counted;
    if ((address[at] ?? 0) >> shift !== (bytes[at] ?? 0) >> shift) return false;
  }
  return true;
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== IPV4_BYTES || !parts.every(part => /^\d{1,3}$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every(byte => byte <= 0xff) ? bytes : undefined;
}

function parseIpv6(text: string): AddressBytes | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(half => bytesOf(half));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = IPV6_BYTES - head.length - (tail?.length ?? 0);
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])];
}

/** Groups between colons; the last may be an address of IPv4. */
function bytesOf(half: string): number[] | undefined {
  if (half === '') return [];
  const groups = half.split(':');
  if (groups.length > IPV6_GROUPS) return undefined;
  const bytes: number[] = [];
  for (const [at, group] of groups.entries()) {
    const four = at === groups.length - 1 && group.includes('.') ? parseIpv4(group) : undefined;
    if (four !== undefined) bytes.push(...four);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> BITS, value & 0xff);
    } else return undefined;
  }
  return bytes;
}
