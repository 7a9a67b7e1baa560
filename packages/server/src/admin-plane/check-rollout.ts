import {
  type ActivateAt,
  type FieldProblem,
  type FileBody,
  fitsSite,
  type ObjectKind,
  type RolloutBody,
} from '@thinman/protocol';
import { subjectOf } from '../core/rollout.ts';
import { momentOf } from '../core/wall-time.ts';

/** A planned moment: a day that there is, in a zone that there is. */
export function checkActivation(activateAt: ActivateAt | undefined): readonly FieldProblem[] {
  if (activateAt === undefined || momentOf(activateAt) !== undefined) return [];
  const { at, timeZone } = activateAt;
  const message = `"${at}" in "${timeZone}" is no moment: write a day that exists, and a zone like Europe/Rome`;
  return [{ field: 'body.activateAt', message }];
}

export function checkFile({ bytes, url }: FileBody): readonly FieldProblem[] {
  if (url !== undefined || fitsSite(bytes)) return [];
  return [
    {
      field: 'body.bytes',
      message: 'is more than a site holds (5 MiB): put the file on a web server, and give its url',
    },
  ];
}

/** What a rollout changes, and to what: the new body is held to all that its own object would be. */
export function checkRollout(
  { of, to, activateAt }: RolloutBody,
  checkBody: (kind: ObjectKind, name: string, body: RolloutBody['to']) => readonly FieldProblem[],
): readonly FieldProblem[] {
  const subject = subjectOf(of);
  if (subject === undefined) {
    return [{ field: 'body.of', message: 'names none or several: give one of policy, profile, assignment' }];
  }
  const inTo = checkBody(subject.kind, subject.name, to).map(problem => ({
    ...problem,
    field: problem.field.replace('body', 'body.to'),
  }));
  return [...checkActivation(activateAt), ...inTo];
}
