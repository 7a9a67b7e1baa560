import { type ConnectionOf, FILE, type LaunchPlan, launchOf, unfit } from './launch.ts';

/**
 * Citrix Workspace: a StoreFront with what to open there, or the URL of an .ica file.
 *
 * `wfica` takes the name of a file, and no URL: the file is fetched first, into memory.
 *
 * A store must be known to the device before anything of it is opened: it is added first, which changes nothing where it is
 * known. `selfservice` shows the stores that are known, and takes none itself.
 *
 * Its programs take a password as an argument only (`storebrowse -P`), where every user of the device could read it: so
 * they get none, and ask the person.
 *
 * @see https://docs.citrix.com/en-us/citrix-workspace-app-for-linux/storebrowse.html (--addstore, --launch)
 * @see https://developer-docs.citrix.com/projects/workspace-app-for-linux-oem-guide/en/latest/reference-information/ (wfica: "You can use
 * a connection file simply by typing its name after wfica")
 * @see https://developer-docs.citrix.com/projects/workspace-app-for-linux-oem-guide/ ("Customize", "Storebrowse examples": "Adding
 * stores … defines which stores can be used by the self-service command")
 */
export function launchCitrix({ storeUrl, application, icaUrl }: ConnectionOf<'citrix'>): LaunchPlan {
  const common = { lingers: true, password: 'none', exits: {} } as const;
  if (icaUrl !== undefined) {
    return launchOf({
      ...common,
      programs: [`${ICA_ROOT}/wfica`, 'wfica'],
      args: [],
      file: { name: 'session.ica', content: '' },
      first: { programs: ['curl'], args: [...FETCH, '--output', FILE, '--', icaUrl], isNeeded: true },
    });
  }
  if (storeUrl === undefined) return unfit('neither storeUrl nor icaUrl is set: say where the session is');
  // An argument that begins with a dash would be an option.
  if (application?.startsWith('-') === true)
    return unfit('application begins with a dash: Citrix would take it for an option');
  const first = { programs: STOREBROWSE, args: ['--addstore', storeUrl] };
  if (application === undefined) {
    return launchOf({ ...common, first, programs: [`${ICA_ROOT}/selfservice`, 'selfservice'], args: [] });
  }
  return launchOf({
    ...common,
    first,
    programs: STOREBROWSE,
    args: ['--launch', application, storeUrl],
  });
}

/** Who waits for a desktop waits no longer; a file describes one session in some kilobytes. */
const FETCH = [
  '--silent',
  '--show-error',
  '--fail',
  '--location',
  // Brackets and braces in a URL would make it thousands.
  '--globoff',
  '--proto',
  '=http,https',
  '--max-redirs',
  '5',
].concat(['--max-time', '30', '--max-filesize', '1000000']);
/** Where its package puts it. */
const ICA_ROOT = '/opt/Citrix/ICAClient';
const STOREBROWSE = [`${ICA_ROOT}/util/storebrowse`, 'storebrowse'];
