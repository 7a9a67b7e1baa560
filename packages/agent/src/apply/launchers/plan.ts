import type { Connection, EffectiveSettings } from '@thinman/protocol';
import { launchAvd } from './avd.ts';
import { launchCitrix } from './citrix.ts';
import { launchHorizon } from './horizon.ts';
import { brokenField, type LaunchPlan, type Person, unfit } from './launch.ts';
import { launchSsh, launchVnc, launchWeb } from './programs.ts';
import { launchRdp } from './rdp.ts';

/** What is started for a connection: a pure function of it, of who asks, and of the policy of the device. */
export function planOf(connection: Connection, person: Person, settings: EffectiveSettings = {}): LaunchPlan {
  const broken = brokenField(connection);
  if (broken !== undefined) return unfit(`${broken} holds a control character: take it out`);
  // A directory says how its people are called.
  if (person.user !== null && /\p{Cc}/u.test(person.user)) {
    return unfit('the name of who is signed in holds a control character');
  }
  // A client would take it for an option.
  if ('host' in connection && connection.host.startsWith('-')) return unfit('host begins with a dash: no host does');
  switch (connection.type) {
    case 'rdp':
      return launchRdp(connection, person);
    case 'citrix':
      return launchCitrix(connection);
    case 'horizon':
      return launchHorizon(connection, person);
    case 'avd':
      return launchAvd(connection);
    case 'web':
      return launchWeb(connection, browserSettings(settings));
    case 'ssh':
      return launchSsh(connection);
    case 'vnc':
      return launchVnc(connection);
  }
}

/** Does it take the password of the login? Only what can be given one safely. */
export function wantsPassword(connection: Connection): boolean {
  return (connection.type === 'rdp' || connection.type === 'horizon') && connection.sso === true;
}

function browserSettings(settings: EffectiveSettings) {
  const url = settings['network.proxy.url'];
  const exceptions = settings['network.proxy.exceptions'];
  return {
    proxyUrl: typeof url === 'string' ? url : '',
    proxyExceptions: Array.isArray(exceptions) ? exceptions.filter(each => typeof each === 'string') : [],
  };
}
