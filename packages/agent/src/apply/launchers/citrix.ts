import { type ConnectionOf, type LaunchPlan, launchOf, unfit } from './launch.ts';

/**
 * Citrix Workspace: a StoreFront with what to open there, or the URL of an .ica file.
 *
 * Its programs take a password as an argument only (`storebrowse -P`), where every user of the device could read it: so
 * they get none, and ask the person.
 *
 * @see https://docs.citrix.com/en-us/citrix-workspace-app-for-linux/storebrowse.html
 */
export function launchCitrix({ storeUrl, application, icaUrl }: ConnectionOf<'citrix'>): LaunchPlan {
  const common = { lingers: true, password: 'none', exits: {} } as const;
  if (icaUrl !== undefined) return launchOf({ ...common, programs: [`${ICA_ROOT}/wfica`, 'wfica'], args: [icaUrl] });
  if (storeUrl === undefined) return unfit('neither storeUrl nor icaUrl is set: say where the session is');
  if (application === undefined) {
    return launchOf({ ...common, programs: [`${ICA_ROOT}/selfservice`, 'selfservice'], args: ['--store', storeUrl] });
  }
  return launchOf({
    ...common,
    programs: [`${ICA_ROOT}/util/storebrowse`, 'storebrowse'],
    args: ['-L', application, storeUrl],
  });
}

/** Where its package puts it. */
const ICA_ROOT = '/opt/Citrix/ICAClient';
