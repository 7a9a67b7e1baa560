import { type Connection, NOT_TOLD_TO_CLIENT, type ProfileBody, visible } from '@thinman/protocol';
import type { PlannedObject } from './plan-apply.ts';

/**
 * Fields of connections that are taken, and of which nothing comes, for people: `clipboard: false` on a Citrix session keeps nothing here. Told, not
 * refused: another program that is given the profile (`user-policy.json`) may know what to do with them.
 */
export function untoldFields(items: readonly PlannedObject[]): readonly string[] {
  return items.flatMap(({ kind, name, change, body }) => {
    if (kind !== 'Profile' || change === 'unchanged') return [];
    return (body as ProfileBody).connections.flatMap((connection, at) =>
      whyNothing(connection).map(
        why => `Profile ${name}: body.connections.${at} (${visible(connection.name)}): ${why}`,
      ),
    );
  });
}

function whyNothing(connection: Connection): readonly string[] {
  const { type } = connection;
  const untold = (NOT_TOLD_TO_CLIENT[type] ?? []).filter(field => field in connection);
  const told = untold.length === 0 ? [] : [`the client of ${type} is not told of ${untold.join(', ')}`];
  return isHalfNamed(connection)
    ? [...told, 'nothing of the workspace is opened at once: that takes workspaceId, resource and user together']
    : told;
}

/** What an AVD connection opens at once, named in part. */
function isHalfNamed(connection: Connection): boolean {
  if (connection.type !== 'avd') return false;
  const { workspaceId, resource, user } = connection;
  return (workspaceId ?? resource) !== undefined && [workspaceId, resource, user].includes(undefined);
}
