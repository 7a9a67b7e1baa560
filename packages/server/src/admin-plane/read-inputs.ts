import { type FieldProblem, isObjectKind, nameProblem, OBJECT_KINDS, ObjectInput, parseValue } from '@thinman/protocol';
import { checkBody } from './check-body.ts';
import { didYouMean } from './nearest.ts';
import type { ValidInput } from './site-view.ts';

export type InputsRead = {
  readonly inputs: readonly ValidInput[];
  readonly problems: readonly FieldProblem[];
  /** `KIND/NAME` of all objects in the list, wrong ones too: naming them is no further mistake. */
  readonly mentioned: ReadonlySet<string>;
};

/** What is wrong with each object of an `apply` looked at alone, and with the list: all of it at once. */
export function readInputs(objects: readonly unknown[]): InputsRead {
  const inputs: ValidInput[] = [];
  const problems: FieldProblem[] = [];
  const firstAt = new Map<string, number>();
  const mentioned = new Set<string>();
  for (const [index, object] of objects.entries()) {
    const { kind, name } = placeOf(index, object);
    mentioned.add(objectKey(kind, name));
    const read = readInput(index, object);
    if (read.kind === 'wrong') {
      problems.push(...read.problems);
      continue;
    }
    const key = objectKey(kind, name);
    const first = firstAt.get(key);
    if (first === undefined) {
      firstAt.set(key, index);
      inputs.push(read.input);
    } else {
      problems.push(at(read.input, 'name', `is here twice: it is object ${first + 1} of this apply already`));
    }
  }
  return { inputs, problems, mentioned };
}

export function objectKey(kind: string, name: string): string {
  return `${kind}/${name}`;
}

/** A mistake with the object that it belongs to. */
export function at(
  input: { readonly index: number; readonly kind: string; readonly name: string },
  field: string,
  message: string,
): FieldProblem {
  return { field, message, index: input.index, kind: input.kind, name: input.name };
}

type InputRead =
  | { readonly kind: 'valid'; readonly input: ValidInput }
  | { readonly kind: 'wrong'; readonly problems: readonly FieldProblem[] };

function placeOf(index: number, object: unknown) {
  const { kind, name } = (object ?? {}) as { kind?: unknown; name?: unknown };
  return { index, kind: typeof kind === 'string' ? kind : '', name: typeof name === 'string' ? name : '' };
}

function readInput(index: number, object: unknown): InputRead {
  const place = placeOf(index, object);
  const wrong = (problems: readonly { field: string; message: string }[]): InputRead => ({
    kind: 'wrong',
    problems: problems.map(({ field, message }) => at(place, field, message)),
  });
  const parsed = parseValue(ObjectInput, object);
  if (!parsed.ok) return wrong(parsed.problems);
  const input = parsed.value;
  if (!isObjectKind(input.kind)) {
    const kinds = Object.keys(OBJECT_KINDS);
    const hint = didYouMean(input.kind, kinds) || `; kinds are ${kinds.join(', ')}`;
    return wrong([{ field: 'kind', message: `"${input.kind}" is no kind of object${hint}` }]);
  }
  const badName = nameProblem(input.name);
  const problems = [
    ...(badName === undefined ? [] : [{ field: 'name', message: `cannot be used: ${badName}` }]),
    ...checkBody(input.kind, input.name, input.body),
  ];
  return problems.length > 0 ? wrong(problems) : { kind: 'valid', input: { ...input, kind: input.kind, index } };
}
