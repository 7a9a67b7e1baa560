import type { SectionResult } from '@thinman/protocol';
import type { Applier } from '../applier.ts';
import { brief } from '../brief.ts';
import { type Holding, SECTION_NAMES, type SectionValues } from '../sections.ts';
import { type Hook, readHookFolder } from './hook-folder.ts';

/** Under which the folder itself reports, when something in it is not as it must be. */
const FOLDER_SECTION = 'apply.d';

/**
 * Appliers out of the executables of a folder, one for each hook and section. A hook is run when the values of its section
 * are others than those that it last took, and once after each start of the agent.
 */
export function createHookAppliers(folder: string, run: (hook: Hook, input: string) => Promise<SectionResult>) {
  /** By hook and section: what it was last given, and what came of it. */
  const taken = new Map<string, { readonly given: string; readonly result: SectionResult }>();

  function applierOf(hook: Hook, section: string): Applier {
    return {
      section,
      async apply(holding, values) {
        const key = `${hook.name} ${section}`;
        // What it is told beside the values is no change of the section.
        const given = JSON.stringify([holding.user?.user.name ?? null, values]);
        const before = taken.get(key);
        if (before?.given === given && before.result.result !== 'failed') return before.result;
        const result = await run(hook, inputOf(section, holding, values));
        taken.set(key, { given, result });
        return result;
      },
    };
  }

  /** Read anew each time: hooks come and go with the packages of the device. */
  return (): readonly Applier[] => {
    const found = readHookFolder(folder);
    if (found.kind === 'unfit') return [failing(found.why)];
    const appliers = found.hooks.flatMap(hook =>
      (hook.section === 'any' ? SECTION_NAMES : [hook.section]).map(section => applierOf(hook, section)),
    );
    return [...appliers, ...(found.refused.length > 0 ? [failing(found.refused.join('; '))] : [])];
  };
}

/** What a hook reads: a contract (docs/devices.md). */
function inputOf(section: string, { device, user }: Holding, values: SectionValues): string {
  const { version } = user ?? device;
  return `${JSON.stringify({ section, device: device.device.name, user: user?.user.name ?? null, version, values })}\n`;
}

function failing(why: string): Applier {
  return { section: FOLDER_SECTION, apply: async () => ({ result: 'failed', why: brief(why) }) };
}
