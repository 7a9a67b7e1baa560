import {
  CONNECTION_TYPES,
  type Connection,
  type FieldProblem,
  ProfileBody,
  parseValue,
  visible,
} from '@thinman/protocol';
import { checkTemplated } from './check-variables.ts';
import { circleOf } from './group-cycles.ts';
import { didYouMean } from './nearest.ts';

/** As in the schema: beyond it the list is refused as a whole. */
const MAX_CONNECTIONS = 200;

/**
 * A profile's connections, each against the schema of its own type; no name twice. (Against the union of all types every
 * mistake would be named seven times.)
 */
export function checkProfile(body: Readonly<Record<string, unknown>>): readonly FieldProblem[] {
  const { connections } = body;
  const parsed = parseValue(ProfileBody, Array.isArray(connections) ? { ...body, connections: [] } : body);
  const shell = parsed.ok ? [] : parsed.problems.map(found => ({ ...found, field: `body.${found.field}` }));
  return Array.isArray(connections) ? [...shell, ...checkConnections(connections)] : shell;
}

function checkConnections(connections: readonly unknown[]): readonly FieldProblem[] {
  if (connections.length > MAX_CONNECTIONS) {
    return [{ field: 'body.connections', message: `must not have more than ${MAX_CONNECTIONS} items` }];
  }
  const problems: FieldProblem[] = [];
  const firstAt = new Map<string, number>();
  for (const [at, connection] of connections.entries()) {
    const field = `body.connections.${at}`;
    problems.push(...checkConnection(field, connection));
    const name = (connection as { name?: unknown } | null)?.name;
    if (typeof name !== 'string') continue;
    const odd = oddName(name);
    if (odd !== undefined) problems.push({ field: `${field}.name`, message: odd });
    const first = firstAt.get(name);
    if (first === undefined) firstAt.set(name, at);
    else problems.push({ field: `${field}.name`, message: `"${name}" is the name of connection ${first + 1} already` });
  }
  return problems.length > 0 ? problems : checkFallbackCircles(connections as readonly Connection[]);
}

/** Names are keys of what `effective` answers, and what a person chooses by: two of them never look alike. */
function oddName(name: string): string | undefined {
  if (name === '__proto__') return 'is a name that no field can have: choose another one';
  return visible(name) === name ? undefined : `"${visible(name)}" has a character that nobody sees: leave it out`;
}

/** In a client's file of settings it would begin a line of its own: the device would refuse to open the connection. */
function controlCharacters(connection: unknown): readonly FieldProblem[] {
  return Object.entries(connection as object).flatMap(([field, value]) =>
    typeof value === 'string' && /\p{Cc}/u.test(value)
      ? [{ field, message: 'holds a control character: take it out' }]
      : [],
  );
}

/** One that leads back to itself by others: nothing would ever be said to have failed. */
function checkFallbackCircles(connections: readonly Connection[]): readonly FieldProblem[] {
  const next = new Map(connections.map(({ name, fallback }) => [name, fallback]));
  const told = new Set<string>();
  return connections.flatMap(({ name, fallback }, at) => {
    if (told.has(name) || fallback === undefined) return [];
    const circle = circleOf(name, one => next.get(one));
    if (circle === undefined) return [];
    for (const member of circle) told.add(member);
    return [{ field: `body.connections.${at}.fallback`, message: `makes a circle: ${circle.join(' → ')}` }];
  });
}

function checkConnection(field: string, connection: unknown): readonly FieldProblem[] {
  const type = (connection as { type?: unknown } | null)?.type;
  const types = Object.keys(CONNECTION_TYPES);
  if (typeof type !== 'string' || !isConnectionType(type)) {
    const hint = typeof type === 'string' ? didYouMean(type, types) : '';
    return [{ field: `${field}.type`, message: `must be one of ${types.join(', ')}${hint}` }];
  }
  const problems = [
    ...checkTemplated(CONNECTION_TYPES[type], connection, { deviceOnly: false, plain: PLAIN_FIELDS }),
    ...controlCharacters(connection),
  ];
  if (problems.length === 0) {
    return contradictions(connection as Connection).map(found => ({ ...found, field: `${field}.${found.field}` }));
  }
  return problems.map(found => ({ ...found, field: found.field === '' ? field : `${field}.${found.field}` }));
}

const IS_A_NAME = 'connections are united by their names as they are written';
/** Where a variable would do harm. */
const PLAIN_FIELDS = {
  name: IS_A_NAME,
  fallback: IS_A_NAME,
  command: 'a shell reads it, and a user may have chosen what is in them',
} as const;

/** Fields that are right each by itself, and not together. */
function contradictions(connection: Connection): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (connection.fallback === connection.name) {
    problems.push({ field: 'fallback', message: 'is this connection itself: name another one' });
  }
  switch (connection.type) {
    case 'citrix':
      if ((connection.storeUrl === undefined) === (connection.icaUrl === undefined)) {
        problems.push({ field: 'storeUrl', message: 'or icaUrl is needed: give one of the two' });
      } else if (connection.icaUrl !== undefined && connection.application !== undefined) {
        problems.push({ field: 'application', message: 'is chosen in a store: with icaUrl leave it out' });
      }
      break;
    case 'horizon':
      if (connection.desktop !== undefined && connection.application !== undefined) {
        problems.push({ field: 'application', message: 'and desktop exclude each other: make two connections' });
      }
      break;
    case 'rdp':
      if (connection.remoteAppArguments !== undefined && connection.remoteApp === undefined) {
        problems.push({ field: 'remoteAppArguments', message: 'are those of a remoteApp: name it' });
      }
      break;
    default:
      break;
  }
  return problems;
}

function isConnectionType(type: string): type is keyof typeof CONNECTION_TYPES {
  return Object.hasOwn(CONNECTION_TYPES, type);
}
