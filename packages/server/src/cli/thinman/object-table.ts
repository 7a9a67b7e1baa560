import {
  flattenSettings,
  type KdfParameters,
  type ObjectKind,
  type ObjectOutput,
  type ShownLockout,
  visible,
} from '@thinman/protocol';
import { describeLockout } from './lockout-words.ts';
import { moment, table } from './table.ts';

type Column = readonly [
  header: string,
  cell: (body: Readonly<Record<string, unknown>>, status: Status) => unknown,
  /** Left out of the table where no object has it. */
  rare?: 'rare',
];
type Status = Readonly<Record<string, unknown>>;

const yes = (value: unknown, word: string) => (value === true ? word : '');
const count = (value: unknown) => (typeof value === 'object' && value !== null ? Object.keys(value).length : 0);
const parts = (value: unknown) =>
  Object.entries((value ?? {}) as object)
    .map(([key, inner]) => (inner === true ? key : `${key}=${inner}`))
    .join(' + ');
/** `model=Dell*|HP* + attribute.ward=w3`: all parts hold, and of each part one entry. */
const filter = (where: unknown) =>
  Object.entries((where ?? {}) as object)
    .flatMap(([part, of]) =>
      part === 'attribute'
        ? Object.entries(of as object).map(([name, one]) => [`attribute.${name}`, one])
        : [[part, of]],
    )
    .map(([part, entries]) => `${part}=${(entries as readonly string[]).join('|')}`)
    .join(' + ');
const fact =
  (name: string) =>
  (_: unknown, { facts }: Status) =>
    ((facts ?? {}) as Record<string, unknown>)[name] ?? '';
const moments = (activateAt: unknown) => Object.values((activateAt ?? {}) as object).join(' ');
const told = (devices: unknown, how: string) => ((devices ?? {}) as Record<string, unknown>)[how] ?? '';
/** What each guess at it costs somebody who has stolen the database; nothing where there is no password, as of a directory's user. */
const cost = (kdf: KdfParameters | undefined) =>
  kdf === undefined ? '' : `${Math.round(kdf.memoryKib / 1024)} MiB x ${kdf.passes}`;
const lockedOut = (lockouts: readonly ShownLockout[] = []) =>
  lockouts.length === 0 ? '' : `locked out ${lockouts.map(describeLockout).join('; ')}`;
const date = (value: unknown) => (typeof value === 'number' ? moment(value) : '');

/** What is worth a column, by kind. Everything is in `-o yaml`. */
const COLUMNS: Record<ObjectKind, readonly Column[]> = {
  SiteSettings: [],
  Server: [
    ['URL', ({ url }) => url],
    ['ORDER', ({ order }) => order ?? 0],
  ],
  Administrator: [
    ['ROLE', ({ role }) => role],
    ['STATE', ({ disabled }) => yes(disabled, 'disabled')],
  ],
  Directory: [
    ['TYPE', ({ type }) => type],
    ['SUFFIX', ({ suffix }) => suffix],
    ['URLS', ({ urls }) => (Array.isArray(urls) ? urls.join(' ') : '')],
  ],
  DeviceGroup: [['PARENT', ({ parent }) => parent]],
  UserGroup: [['PARENT', ({ parent }) => parent]],
  Device: [
    ['GROUP', ({ group }) => group],
    ['MODEL', fact('model'), 'rare'],
    ['OS', fact('os'), 'rare'],
    ['SEEN FROM', fact('address'), 'rare'],
    ['ENROLLED', (_, { enrolledAt }) => date(enrolledAt)],
    ['CERTIFICATE UNTIL', (_, { certificateExpiresAt }) => date(certificateExpiresAt)],
    ['STATE', ({ revoked }) => yes(revoked, 'revoked')],
  ],
  User: [
    ['DISPLAY NAME', ({ displayName }) => displayName],
    ['GROUPS', ({ groups }) => (Array.isArray(groups) ? groups.join(',') : '')],
    [
      'STATE',
      ({ disabled, locked }, { lockouts }) =>
        yes(disabled, 'disabled') ||
        yes(locked, 'locked') ||
        lockedOut(lockouts as readonly ShownLockout[] | undefined),
    ],
    ['PASSWORD', (_, { kdf }) => cost(kdf as KdfParameters | undefined)],
  ],
  Policy: [
    ['SCOPE', ({ scope }) => scope ?? 'both'],
    ['SETTINGS', ({ settings }) => flattenSettings((settings ?? {}) as Record<string, unknown>).known.size],
    ['ENFORCED', ({ enforced }) => count(enforced)],
  ],
  Profile: [['CONNECTIONS', ({ connections }) => count(connections)]],
  Assignment: [
    ['WHAT', ({ policy, profile }) => (policy === undefined ? `profile ${profile}` : `policy ${policy}`)],
    ['TO', ({ to }) => parts(to)],
    ['WHERE', ({ where }) => filter(where), 'rare'],
    ['PRIORITY', ({ priority }) => priority ?? 0],
    ['STATE', ({ activateAt }, { active }) => (active === false ? `from ${moments(activateAt)}` : '')],
  ],
  File: [
    ['BYTES', ({ bytes }) => bytes],
    ['SHA-256', ({ sha256 }) => sha256],
    ['WHERE', ({ url }) => url ?? 'in the site'],
  ],
  Rollout: [
    ['OF', ({ of }) => parts(of)],
    [
      'STATE',
      ({ activateAt }, { state, counting }) => {
        if (state === 'scheduled' && activateAt !== undefined) return `scheduled, from ${moments(activateAt)}`;
        return `${state}${counting === true ? ' (counting)' : ''}`;
      },
    ],
    // Without stages it is for everybody at once.
    [
      'STAGE',
      ({ stages }, { stage }) =>
        typeof stage === 'number' && count(stages) > 0 ? `${stage + 1} of ${count(stages)}` : '',
    ],
    ['HAVE IT', (_, { devices }) => told(devices, 'applied')],
    ['PENDING', (_, { devices }) => told(devices, 'pending')],
    ['FAILED', (_, { devices }) => told(devices, 'failed')],
    ['WAITING', (_, { devices }) => told(devices, 'waiting')],
    ['WHY', (_, { why }) => visible(String(why ?? ''))],
  ],
  EnrollmentToken: [
    ['FOR', ({ purpose, group, device, serverName }) => [purpose, group, device, serverName].filter(Boolean).join(' ')],
    ['USED', ({ uses }, { used }) => `${used ?? 0} of ${uses}`],
    ['UNTIL', ({ expiresAt }) => date(Date.parse(String(expiresAt)))],
  ],
};

/** Objects of one kind, a line each. */
export function objectTable(kind: ObjectKind, objects: readonly ObjectOutput[]): string {
  const columns = COLUMNS[kind]
    .map(([header, cell, rare]) => {
      const cells = objects.map(({ body, status = {} }) => String(cell(body, status) ?? ''));
      return { header, cells, isShown: rare === undefined || cells.some(text => text !== '') };
    })
    .filter(({ isShown }) => isShown);
  const rows = objects.map(({ name, generation }, at) => [
    name,
    String(generation),
    ...columns.map(({ cells }) => cells[at] ?? ''),
  ]);
  return table(['NAME', 'GENERATION', ...columns.map(({ header }) => header)], rows);
}
