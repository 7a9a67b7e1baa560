import type { Fleet } from './fleet.ts';
import { quantile } from './tallies.ts';

const MS_DIGITS = 1;
const BYTES_PER_MB = 1024 * 1024;
const MEDIAN = 0.5;
const SLOWEST_HUNDREDTH = 0.99;

/** How a fleet fares: the numbers of the live line and of the summary. */
export function summaryOf(fleet: Fleet) {
  const { logins, elapsedMs, happened } = fleet.tallies;
  const count = (type: string) => happened.get(type) ?? 0;
  return {
    devices: fleet.devices.length,
    connected: fleet.connected(),
    byServer: Object.fromEntries(fleet.byServer()),
    logins: { ...logins },
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
  const { pendingEvents, memoryMb, defects } = summary;
  return [
    ...liveLine(summary).split('; '),
    `${pendingEvents} events wait on the devices`,
    `${memoryMb} MB in this process`,
    ...defects.map(defect => `DEFECT ${defect}`),
  ]
    .map(line => `  ${line}`)
    .join('\n');
}

function round(ms: number): number {
  return Number(ms.toFixed(MS_DIGITS));
}
