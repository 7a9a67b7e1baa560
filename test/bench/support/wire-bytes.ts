import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Network } from '../../support/network/network.ts';

/** Before each IP packet; it goes no further than the next router, so that it is not counted. */
const ETHERNET_HEADER_BYTES = 14;
/** Of IPv4, of TCP, and TCP's timestamps. */
const TCP_IP_HEADER_BYTES = 20 + 20 + 12;

/** Both ways. `packets`: IP packets as they are, `payload`: what is in them, which is TLS. */
export type WireBytes = { readonly packets: number; readonly payload: number };

/** What went between this machine and the hosts of the network until now. */
export function bytesOnWire({ outsideAddress }: Network): WireBytes {
  const cable = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some(({ address }) => address === outsideAddress),
  )?.[0];
  const count = (what: string) => Number(readFileSync(`/sys/class/net/${cable}/statistics/${what}`, 'utf8'));
  const frames = count('rx_packets') + count('tx_packets');
  const packets = count('rx_bytes') + count('tx_bytes') - frames * ETHERNET_HEADER_BYTES;
  return { packets, payload: packets - frames * TCP_IP_HEADER_BYTES };
}
