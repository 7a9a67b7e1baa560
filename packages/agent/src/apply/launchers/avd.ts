import { type ConnectionOf, type LaunchPlan, launchOf } from './launch.ts';

/**
 * Azure Virtual Desktop and Windows 365, by a URI that the device's client has taken for its own. With `workspaceId`, `resource`
 * (object ids) and `user` (without which Microsoft's clients refuse it) that resource is opened, else the workspace is subscribed
 * to. Microsoft signs the person in.
 *
 * @see https://learn.microsoft.com/azure/virtual-desktop/uri-scheme ("ms-avd:connect": workspaceid, resourceid, username and
 * version=0 are required; "ms-rd:subscribe": url)
 */
export function launchAvd(connection: ConnectionOf<'avd'>): LaunchPlan {
  return launchOf({ programs: ['xdg-open'], args: [avdUri(connection)], lingers: true, password: 'none', exits: {} });
}

export function avdUri({ workspaceUrl, workspaceId, resource, user }: ConnectionOf<'avd'>): string {
  if (workspaceId === undefined || resource === undefined || user === undefined) {
    return `ms-rd:subscribe?url=${encodeURIComponent(workspaceUrl)}`;
  }
  const query = [
    ['workspaceid', workspaceId],
    ['resourceid', resource],
    ['username', user],
    ['version', '0'],
  ];
  return `ms-avd:connect?${query.map(([name, value = '']) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
}
