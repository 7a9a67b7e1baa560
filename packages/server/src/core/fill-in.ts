import { CONNECTION_TYPES, type Connection, parseValue, SETTINGS } from '@thinman/protocol';
import type { ResolvedPolicy } from './resolve-policy.ts';
import type { ResolvedProfile } from './resolve-profile.ts';
import { fillValue, type Variables } from './variables.ts';

/**
 * Variables get their values after resolution: so which value stands never depends on them. A setting or a connection with a
 * variable that has neither a value nor a default, or that does not fit once filled in, is left out whole, and says why.
 */
export function fillPolicy(resolved: ResolvedPolicy, variables: Variables): ResolvedPolicy {
  const filled: ResolvedPolicy = {};
  for (const [key, found] of Object.entries(resolved)) {
    const schema = SETTINGS.get(key)?.schema;
    const result = fillValue(found.value, variables);
    if (!result.ok) filled[key] = { ...found, leftOut: noValue(result.missing) };
    else if (result.value === found.value) filled[key] = found;
    else {
      const why = schema === undefined ? undefined : misfit(schema, result.value);
      filled[key] =
        why === undefined ? { ...found, value: result.value, written: found.value } : { ...found, leftOut: why };
    }
  }
  return filled;
}

export function fillProfile(resolved: ResolvedProfile, variables: Variables): ResolvedProfile {
  const connections: Connection[] = [];
  const leftOut: Record<string, string> = {};
  for (const connection of resolved.connections) {
    const result = fillValue(connection, variables);
    if (!result.ok) leftOut[connection.name] = noValue(result.missing);
    else if (result.value === connection) connections.push(connection);
    else {
      const why = misfit(CONNECTION_TYPES[connection.type], result.value);
      if (why === undefined) connections.push(result.value as Connection);
      else leftOut[connection.name] = why;
    }
  }
  return { ...resolved, connections, ...(Object.keys(leftOut).length > 0 && { leftOut }) };
}

const noValue = (name: string) => `\${${name}} has no value here, and no default`;

function misfit(schema: Parameters<typeof parseValue>[0], value: unknown): string | undefined {
  const parsed = parseValue(schema, value);
  if (parsed.ok) return undefined;
  const [first] = parsed.problems;
  const where = first === undefined || first.field === '' ? '' : `${first.field} `;
  return `does not fit with its variables filled in: ${where}${first?.message ?? ''}`;
}
