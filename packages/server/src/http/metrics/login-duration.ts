import { Histogram, type Registry } from 'prom-client';

/** Seconds. A login costs well below a millisecond of CPU; what is above 50 ms is waiting (disk, queue). */
const BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 4];
const MS_PER_SECOND = 1000;

export function loginDuration(registry: Registry): (durationMs: number) => void {
  const histogram = new Histogram({
    name: 'thinman_login_duration_seconds',
    help: 'Time from the request of a login to its answer, on the server',
    buckets: BUCKETS,
    registers: [registry],
  });
  return durationMs => histogram.observe(durationMs / MS_PER_SECOND);
}
