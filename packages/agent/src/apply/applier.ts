import type { SectionResult, SectionResults } from '@thinman/protocol';
import { brief } from './brief.ts';
import { type Holding, type SectionValues, sectionsOf } from './sections.ts';

/**
 * Turns one section of what holds into files and actions of the device. Applying the same twice is harmless; results are
 * written so that a power cut leaves the old ones or the new ones, whole.
 */
export type Applier = {
  /** A section of the catalogue, `connections`, `files`, or a word of its own: reports are by section. */
  readonly section: string;
  /** `values`: of this section, by dotted key; empty where nothing sets any. May reject: that is a failure. */
  apply(holding: Holding, values: SectionValues): Promise<SectionResult>;
};

/**
 * One after the other, in order; one that fails stops none of the others. Of several for a section the worst result counts.
 * `onSection`: the last applier of this section is through; those of others may still take long.
 */
export async function applyAll(
  holding: Holding,
  appliers: readonly Applier[],
  onSection: (section: string, result: SectionResult) => void = () => {},
): Promise<SectionResults> {
  const sections = sectionsOf(holding);
  const results: SectionResults = {};
  const last = new Map(appliers.map(({ section }, at) => [section, at]));
  for (const [at, applier] of appliers.entries()) {
    const { section } = applier;
    const result = worse(results[section], await resultOf(applier, holding, sections.get(section) ?? {}));
    results[section] = result;
    if (last.get(section) === at) onSection(section, result);
  }
  return results;
}

async function resultOf(applier: Applier, holding: Holding, values: SectionValues): Promise<SectionResult> {
  try {
    return await applier.apply(holding, values);
  } catch (error) {
    return { result: 'failed', why: brief(error instanceof Error ? error.message : 'unknown') };
  }
}

const GRAVITY = { applied: 0, pending: 1, failed: 2 } as const;

/** A failure before what is pending, before what is applied. */
export function worse(one: SectionResult | undefined, other: SectionResult): SectionResult {
  return one !== undefined && GRAVITY[one.result] >= GRAVITY[other.result] ? one : other;
}
