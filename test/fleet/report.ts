import type { Fleet } from './fleet.ts';
import { quantile } from './tallies.ts';

const MS_DIGITS = 1;
const BYTES_PER_MB = 1024 * 1024;
const MEDIAN = 0.5;
const SLOWEST_HUNDREDTH = 0.99;

/** How a fleet fares: the numbers of the live line and of the summary. */
export function summaryOf(fleet: Fleet) {
  const { logins, reasons, elapsedMs, happened } = fleet.tallies;
  const count = (type: string) => happened.get(type) ?? 0;
  return {
    devices: fleet.devices.length,
    connected: fleet.connected(),
    byServer: Object.fromEntries(fleet.byServer()),
    logins: { ...logins },
    reasons: Object.fromEntries(reasons),
    loginMs: { p50: round(quantile(elapsedMs, MEDIAN)), p99: round(quantile(elapsedMs, SLOWEST_HUNDREDTH)) },
    switches: { failovers: count('failover'), failbacks: count('failback'), offline: count('offline') },
    pendingEvents: fleet.devices.reduce((sum, device) => sum + device.pendingEvents(), 0),
    memoryMb: Math.round(process.memoryUsage.rss() / BYTES_PER_MB),
    defects: [...fleet.defects].map(([message, times]) => `${times} × ${message}`),
  };
}
export type Summary = ReturnType<typeof summaryOf>;

export function liveLine({ devices, connected, byServer, logins, loginMs, switches }: Summary): string {
  const servers = Object.entries(byServer).map(([name, count]) => `${name} ${count}`);
  const { granted, denied, offline, failed } = logins;
  return [
    `${connected} of ${devices} connected${servers.length > 1 ? ` (${servers.join(', ')})` : ''}`,
    `logins ${granted} granted, ${offline} offline, ${denied} denied, ${failed} failed`,
    `p50 ${loginMs.p50} ms, p99 ${loginMs.p99} ms`,
    `${switches.failovers} failovers, ${switches.failbacks} failbacks`,
  ].join('; ');
}

export function summaryLines(summary: Summary): string {
  const { reasons, pendingEvents, memoryMb, defects } = summary;
  return [
    ...liveLine(summary).split('; '),
    ...Object.entries(reasons).map(([reason, times]) => `denied: ${reason} ${times} times${adviceFor(reason)}`),
    `${pendingEvents} events wait on the devices`,
    `${memoryMb} MB in this process`,
    ...defects.map(defect => `DEFECT ${defect}`),
  ]
    .map(line => `  ${line}`)
    .join('\n');
}

/** The first thing that goes wrong on a site that nobody has prepared. */
function adviceFor(reason: string): string {
  return reason === 'credentials_invalid' ? ': are the people of --print-users on the site?' : '';
}

function round(ms: number): number {
  return Number(ms.toFixed(MS_DIGITS));
}
