import type { BundleApplied, SectionResult, SectionResults } from '@thinman/protocol';
import { type Holding, sectionOf } from './sections.ts';

/** What was last told of a bundle: its etag, and what became of its sections. */
export type Told = { readonly etag: string; readonly sections: SectionResults };

/** Told of a bundle, by whose it is; nothing is told twice. */
export type Reporting = {
  /** What is to be told after a round: the device's bundle, the user's, both or neither. */
  after(holding: Holding, results: SectionResults): readonly { readonly user?: string; readonly data: BundleApplied }[];
  /** A session began with a bundle that this device had already: only what does not work is worth an event. */
  known(etag: string): void;
};

/** `device`: what was told of the device's bundle before this start. */
export function createReporting(device: Told | undefined): Reporting {
  let toldDevice = device;
  let toldUser: ({ readonly userId: string } & Told) | undefined;
  const knownEtags = new Set<string>();

  return {
    known(etag) {
      knownEtags.clear();
      knownEtags.add(etag);
    },
    after(holding, results) {
      const reports: { user?: string; data: BundleApplied }[] = [];
      const { etag, version, settings } = holding.device;
      const sections = ofBundle(settings, results);
      if (isNews(toldDevice, etag, sections)) {
        toldDevice = { etag, sections };
        reports.push({ data: { which: 'device', etag, version, sections } });
      }
      const { user } = holding;
      if (user === null) {
        toldUser = undefined;
        return reports;
      }
      const own = ofBundle({ ...user.settings, connections: true }, results);
      const before = toldUser?.userId === user.user.id ? toldUser : undefined;
      const isQuiet = before === undefined && knownEtags.has(user.etag) && Object.values(own).every(isApplied);
      if (isNews(before, user.etag, own) && !isQuiet) {
        reports.push({
          user: user.user.name,
          data: { which: 'user', etag: user.etag, version: user.version, sections: own },
        });
      }
      toldUser = { userId: user.user.id, etag: user.etag, sections: own };
      return reports;
    },
  };
}

const isApplied = ({ result }: SectionResult) => result === 'applied';

function isNews(told: Told | undefined, etag: string, sections: SectionResults): boolean {
  return told?.etag !== etag || JSON.stringify(told.sections) !== JSON.stringify(sections);
}

/**
 * The sections that a bundle sets, and those that failed or wait whatever it sets. Where nothing of this device applies a
 * section, it is handed over by the file, and is as that is.
 */
function ofBundle(settings: Readonly<Record<string, unknown>>, results: SectionResults): SectionResults {
  const handedOver: SectionResult = results.files ?? { result: 'applied' };
  const names = new Set(['files', ...Object.keys(settings).map(sectionOf)]);
  for (const [name, result] of Object.entries(results)) if (!isApplied(result)) names.add(name);
  return Object.fromEntries([...names].sort().map(name => [name, results[name] ?? handedOver]));
}
