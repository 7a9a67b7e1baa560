import type { DeviceBundle } from '@thinman/protocol';

/** What became of one section of a bundle. */
export type ApplyOutcome =
  | { readonly outcome: 'applied' }
  /** `why` is for people. */
  | { readonly outcome: 'failed'; readonly why: string }
  /** Takes effect later. */
  | { readonly outcome: 'pending'; readonly until: 'reboot' | 'logout' };

/** Turns one section of a device bundle into files and actions of the device. Applying the same bundle twice is harmless. */
export type Applier = {
  /** A word of its own: reports are by section. */
  readonly section: string;
  apply(bundle: DeviceBundle): Promise<ApplyOutcome>;
};

export type ApplyReport = Readonly<Record<string, ApplyOutcome>>;

/** One after the other, in order; one that fails stops none of the others. Never rejects. */
export async function applyBundle(bundle: DeviceBundle, appliers: readonly Applier[]): Promise<ApplyReport> {
  const report: Record<string, ApplyOutcome> = {};
  for (const applier of appliers) report[applier.section] = await outcomeOf(applier, bundle);
  return report;
}

async function outcomeOf(applier: Applier, bundle: DeviceBundle): Promise<ApplyOutcome> {
  try {
    return await applier.apply(bundle);
  } catch (error) {
    return { outcome: 'failed', why: error instanceof Error ? error.message : 'unknown' };
  }
}
