import Type from 'typebox';
import { AgentTimings, DEFAULT_AGENT_TIMINGS } from '../../timings.ts';
import { MAX_OFFLINE_DAYS } from '../site-settings.ts';
import type { Section, Setting } from './setting.ts';

/** Twice what Windows keeps at most (`CachedLogonsCount`, 50): the people of a large ward and their locums, at some 10 kB each. */
export const DEFAULT_OFFLINE_USERS = 100;
/** All of them fit into one report of the channel, five times. */
export const MAX_OFFLINE_USERS = 500;

type Timing = keyof AgentTimings & keyof typeof TIMINGS;

/** Of `AgentTimings`, those that may differ between groups: a site on a slow line, a ward that must not wait. */
const TIMINGS = {
  connectDeadlineMs: [
    'Connecting',
    'Least time that a server gets for connection and TLS; a search for one gives it 1.5 s at least.',
  ],
  hedgeDelayMs: ['Second server', 'Least wait for an answer until the next server is asked as well.'],
  loginDeadlineMs: ['Login', 'The whole online attempt; then the device decides offline.'],
  pingIntervalMs: ['Sign of life', 'Between two pings to the server; after two without an answer it is given up.'],
  failbackProbeMs: ['Way back', 'Between two looks at an earlier server that had failed.'],
  failbackProbes: ['Good looks', 'So many in a row, and the device goes back to the earlier server.'],
  failbackSpreadMs: ['Spread', 'Over this time devices go back, each at a moment of its own.'],
} as const satisfies Partial<Record<keyof AgentTimings, readonly [title: string, help: string]>>;

/** Keys of the section that are timings, with the field of `AgentTimings` that they set. */
export const TIMING_SETTINGS: ReadonlyMap<string, Timing> = new Map(
  (Object.keys(TIMINGS) as Timing[]).map(name => [`agent.${name}`, name]),
);

const timings: readonly Setting[] = (Object.keys(TIMINGS) as Timing[]).map(name => ({
  key: `agent.${name}`,
  scope: 'device',
  merge: 'replace',
  schema: AgentTimings.properties[name],
  default: DEFAULT_AGENT_TIMINGS[name],
  ...(name.endsWith('Ms') && { unit: 'milliseconds' as const }),
  title: TIMINGS[name][0],
  help: TIMINGS[name][1],
}));

export const agent: Section = {
  name: 'agent',
  title: 'Agent',
  settings: [
    {
      key: 'agent.offline.allowed',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Offline login',
      help: 'Whether users may log in while no server answers. Site settings or a User object that forbid it count as well.',
    },
    {
      key: 'agent.offline.maxAgeDays',
      scope: 'both',
      merge: 'replace',
      schema: Type.Number({ minimum: 0, maximum: MAX_OFFLINE_DAYS }),
      default: 7,
      unit: 'days',
      title: 'Offline login for',
      help: 'How long after the last login with a server; what a policy says stands before the site settings.',
    },
    {
      key: 'agent.offline.maxUsers',
      scope: 'device',
      merge: 'replace',
      schema: Type.Integer({ minimum: 0, maximum: MAX_OFFLINE_USERS }),
      default: DEFAULT_OFFLINE_USERS,
      title: 'Users who may log in offline',
      help: 'How many users the device keeps: the one who was there longest ago goes first, whoever works there stays. 0: nobody but whoever works there.',
    },
    ...timings,
  ],
};
