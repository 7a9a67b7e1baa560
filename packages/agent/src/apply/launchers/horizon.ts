import { type ConnectionOf, type LaunchPlan, launchOf, type Person, unfit } from './launch.ts';

/** Omnissa's name, then VMware's. */
const PROGRAMS = ['horizon-client', 'vmware-view'] as const;
const PROTOCOL = { blast: 'BLAST', pcoip: 'PCOIP', rdp: 'RDP' } as const;

/**
 * Omnissa Horizon Client. `--password=-` reads the password from standard input; `--once`: it does not try again by itself, which
 * the agent does.
 *
 * @see https://docs.omnissa.com/ (Horizon Client for Linux Guide, "Configuration Settings and Command-Line Options")
 * @see https://docs.vmware.com/en/VMware-Horizon-Client-for-Linux/ (the same options under the older name)
 */
export function launchHorizon(connection: ConnectionOf<'horizon'>, person: Person): LaunchPlan {
  const { host, domain, desktop, application, protocol, fullscreen, monitors } = connection;
  if (desktop !== undefined && application !== undefined)
    return unfit('desktop and application are both set: name one');
  const user = connection.sso === true ? person.user : null;
  const signsOn = user !== null && person.canSignOn;
  return launchOf({
    programs: PROGRAMS,
    args: [
      `--serverURL=${host}`,
      ...(user === null ? [] : [`--userName=${user}`]),
      ...(signsOn ? ['--password=-', '--nonInteractive'] : []),
      ...(domain === undefined ? [] : [`--domainName=${domain}`]),
      ...(desktop === undefined ? [] : [`--desktopName=${desktop}`]),
      ...(application === undefined ? [] : [`--applicationName=${application}`]),
      ...(protocol === undefined ? [] : [`--protocol=${PROTOCOL[protocol]}`]),
      ...(fullscreen === true || monitors === 'all' ? [`--desktopSize=${monitors === 'all' ? 'all' : 'full'}`] : []),
      ...(connection.usb === undefined ? [] : [`--usbAutoConnectAtStartUp=${connection.usb ? 'TRUE' : 'FALSE'}`]),
      '--once',
    ],
    password: signsOn ? 'stdin' : 'none',
    exits: {},
  });
}

/**
 * The same connection as a URI, for a client of another kind (`horizon-client://HOST/DESKTOP?…`). Applications have a protocol of
 * their own; a name with a domain in it stands in no URI.
 *
 * @see https://docs.omnissa.com/HorizonClientLinuxGuide-V2603/UsingURIstoConfigureHorizonClient
 */
export function horizonUri(connection: ConnectionOf<'horizon'>, person: Pick<Person, 'user'>): string {
  const { host, domain, desktop, application, protocol } = connection;
  const query = new URLSearchParams();
  if (protocol !== undefined)
    query.set(application === undefined ? 'desktopProtocol' : 'appProtocol', PROTOCOL[protocol]);
  if (domain !== undefined) query.set('domainName', domain);
  const at = connection.sso === true && person.user !== null ? `${encodeURIComponent(person.user)}@` : '';
  const what = desktop ?? application;
  const path = what === undefined ? '' : encodeURIComponent(what);
  const options = query.size === 0 ? '' : `?${query.toString().replaceAll('+', '%20')}`;
  return `horizon-client://${at}${host}/${path}${options}`;
}
