import type { AssignmentBody, FieldProblem, PolicyBody, ProfileBody } from '@thinman/protocol';
import { at, objectKey } from './read-inputs.ts';
import { hasOuterFallback } from './references.ts';
import type { SiteView, ValidInput } from './site-view.ts';

/** What is right in each object, and wrong between two of them. */
export function checkContradictions(inputs: readonly ValidInput[], view: SiteView): readonly FieldProblem[] {
  return [...checkScopes(inputs, view), ...checkFallbacks(inputs, view)];
}

/** A policy of devices on a target that asks for a user: nothing of it would ever count (ADR 0010). */
function checkScopes(inputs: readonly ValidInput[], view: SiteView): readonly FieldProblem[] {
  const given = new Map(inputs.map(input => [objectKey(input.kind, input.name), input]));
  const ofDevices = (policy: string | undefined) => {
    if (policy === undefined) return false;
    const body = given.get(objectKey('Policy', policy))?.body ?? view.get('Policy', policy)?.body;
    return (body as PolicyBody | undefined)?.scope === 'device';
  };
  const assigned = inputs.flatMap(input => {
    if (input.kind !== 'Assignment') return [];
    const { policy, to } = input.body as AssignmentBody;
    if (!asksForUser(to) || !ofDevices(policy)) return [];
    const message = `"${policy}" has scope: device, and this target asks for a user: nothing of it would ever count`;
    return [at(input, 'body.policy', message)];
  });
  const onUsers = Map.groupBy(
    view.list('Assignment').filter(({ name, body }) => {
      return asksForUser((body as AssignmentBody).to) && !given.has(objectKey('Assignment', name));
    }),
    ({ body }) => (body as AssignmentBody).policy,
  );
  const narrowed = inputs.flatMap(input => {
    if (input.kind !== 'Policy' || (input.body as PolicyBody).scope !== 'device') return [];
    return (onUsers.get(input.name) ?? []).map(({ name }) =>
      at(input, 'body.scope', `is device, and the Assignment "${name}" puts this policy on users`),
    );
  });
  return [...assigned, ...narrowed];
}

const asksForUser = ({ user, userGroup }: AssignmentBody['to']) => user !== undefined || userGroup !== undefined;

/** Connections are united by name: a fallback may be in another profile, but in one. */
function checkFallbacks(inputs: readonly ValidInput[], view: SiteView): readonly FieldProblem[] {
  const profiles = inputs.filter(({ kind }) => kind === 'Profile');
  if (!profiles.some(({ body }) => hasOuterFallback(body as ProfileBody))) return [];
  const bodies = [...profiles, ...view.list('Profile')].map(({ body }) => body as ProfileBody);
  const known = new Set(bodies.flatMap(({ connections }) => connections.map(({ name }) => name)));
  return profiles.flatMap(input =>
    (input.body as ProfileBody).connections.flatMap(({ fallback }, index) => {
      if (fallback === undefined || known.has(fallback)) return [];
      const field = `body.connections.${index}.fallback`;
      return [at(input, field, `names the connection "${fallback}", which no profile has`)];
    }),
  );
}
