import { CONNECTION_TYPES, type Connection, type FieldProblem, ProfileBody, parseValue } from '@thinman/protocol';
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
    const first = firstAt.get(name);
    if (first === undefined) firstAt.set(name, at);
    else problems.push({ field: `${field}.name`, message: `"${name}" is the name of connection ${first + 1} already` });
  }
  return problems;
}

function checkConnection(field: string, connection: unknown): readonly FieldProblem[] {
  const type = (connection as { type?: unknown } | null)?.type;
  const types = Object.keys(CONNECTION_TYPES);
  if (typeof type !== 'string' || !isConnectionType(type)) {
    const hint = typeof type === 'string' ? didYouMean(type, types) : '';
    return [{ field: `${field}.type`, message: `must be one of ${types.join(', ')}${hint}` }];
  }
  const parsed = parseValue(CONNECTION_TYPES[type], connection);
  if (parsed.ok) return contradictions(parsed.value).map(found => ({ ...found, field: `${field}.${found.field}` }));
  return parsed.problems.map(found => ({ ...found, field: found.field === '' ? field : `${field}.${found.field}` }));
}

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
