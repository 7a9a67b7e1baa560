import type { AssignmentFilter, DeviceFacts } from '@thinman/protocol';
import { isInSubnet, parseAddress, parseSubnet, type Subnet } from './subnet.ts';

/** A filter of an assignment, read once. */
export type Filter = {
  readonly model?: readonly Pattern[];
  readonly os?: readonly Pattern[];
  readonly subnets?: readonly Subnet[];
  readonly attributes: readonly (readonly [name: string, patterns: readonly Pattern[]])[];
};

/** The pieces between the `*`, in small letters. */
export type Pattern = readonly string[];

/** What a filter looks at. */
export type Filtered = {
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly facts?: DeviceFacts | undefined;
};

export function compileFilter({ model, os, subnet, attribute = {} }: AssignmentFilter): Filter {
  return {
    ...(model !== undefined && { model: model.map(patternOf) }),
    ...(os !== undefined && { os: os.map(patternOf) }),
    ...(subnet !== undefined && { subnets: subnet.flatMap(text => parseSubnet(text) ?? []) }),
    attributes: Object.entries(attribute).map(([name, patterns]) => [name, patterns.map(patternOf)]),
  };
}

/** Every part that is there must hold. What is not known of a device fits nothing. */
export function filterHolds(filter: Filter, { attributes = {}, facts = {} }: Filtered): boolean {
  const { model, os, subnets } = filter;
  if (model !== undefined && !fitsOne(model, facts.model)) return false;
  if (os !== undefined && !fitsOne(os, facts.os)) return false;
  if (subnets !== undefined) {
    const address = facts.address === undefined ? undefined : parseAddress(facts.address);
    if (address === undefined || !subnets.some(subnet => isInSubnet(address, subnet))) return false;
  }
  return filter.attributes.every(([name, patterns]) =>
    fitsOne(patterns, Object.hasOwn(attributes, name) ? attributes[name] : undefined),
  );
}

const patternOf = (text: string): Pattern => text.toLowerCase().split('*');

function fitsOne(patterns: readonly Pattern[], text: string | undefined): boolean {
  if (text === undefined) return false;
  const small = text.toLowerCase();
  return patterns.some(pattern => fits(pattern, small));
}

/** In one pass over the text: each piece at the first place where it is found. */
function fits(pieces: Pattern, text: string): boolean {
  const [first = '', ...rest] = pieces;
  if (!text.startsWith(first)) return false;
  const last = rest.pop();
  if (last === undefined) return text === first;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
