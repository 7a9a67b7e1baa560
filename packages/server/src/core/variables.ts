/** What `${…}` can stand for, for one device, and the user there. */
export type Variables = {
  readonly device: {
    readonly name: string;
    readonly group?: string | undefined;
    readonly attributes?: Readonly<Record<string, string>> | undefined;
  };
  readonly user?:
    | {
        readonly name: string;
        readonly displayName?: string | undefined;
        readonly attributes?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
  readonly site: { readonly name?: string | undefined };
};

export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly fallback: string | undefined };

export type Template =
  | { readonly kind: 'template'; readonly parts: readonly Part[] }
  | { readonly kind: 'wrong'; readonly why: string };

/** Variables without an attribute's name. */
export const PLAIN_VARIABLES = ['device.group', 'device.name', 'site.name', 'user.displayName', 'user.name'] as const;
const ATTRIBUTE = /^(?:device|user)\.attribute\.[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const ESCAPE = '$${';
const OPEN = '${';
const DEFAULT = ':-';

/** Whether a text has to be looked at: most have neither a variable nor an escape. */
export function hasTemplate(text: string): boolean {
  return text.includes(OPEN);
}

export function isVariable(name: string): boolean {
  return (PLAIN_VARIABLES as readonly string[]).includes(name) || ATTRIBUTE.test(name);
}

/** `${name}`, `${name:-default}`; `$${` is a plain `${`. A default is plain text up to the first `}`. */
export function parseTemplate(text: string): Template {
  const parts: Part[] = [];
  let plain = '';
  for (let at = 0; at < text.length; ) {
    if (text.startsWith(ESCAPE, at)) {
      plain += OPEN;
      at += ESCAPE.length;
    } else if (text.startsWith(OPEN, at)) {
      const end = text.indexOf('}', at);
      if (end === -1)
        return { kind: 'wrong', why: `has "${OPEN}" without a closing "}": write $${OPEN} for the characters` };
      const inner = text.slice(at + OPEN.length, end);
      const split = inner.indexOf(DEFAULT);
      const name = split === -1 ? inner : inner.slice(0, split);
      if (name === '')
        return { kind: 'wrong', why: `has a variable without a name: write $${OPEN} for the characters` };
      if (plain !== '') parts.push({ kind: 'text', text: plain });
      plain = '';
      parts.push({ kind: 'variable', name, fallback: split === -1 ? undefined : inner.slice(split + DEFAULT.length) });
      at = end + 1;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  if (plain !== '') parts.push({ kind: 'text', text: plain });
  return { kind: 'template', parts };
}

/** A value, or the variable that has none, nor a default. */
export type Filled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly missing: string };

export function fillText(text: string, variables: Variables): Filled<string> {
  if (!hasTemplate(text)) return { ok: true, value: text };
  const template = parseTemplate(text);
  // Apply refuses it; what an older version took stays as it was written.
  if (template.kind === 'wrong') return { ok: true, value: text };
  let value = '';
  for (const part of template.parts) {
    const found = part.kind === 'text' ? part.text : (lookUp(part.name, variables) ?? part.fallback);
    if (found === undefined) return { ok: false, missing: part.kind === 'text' ? '' : part.name };
    value += found;
  }
  return { ok: true, value };
}

/** Every text in a value; the very same value where nothing is to be filled in. */
export function fillValue(value: unknown, variables: Variables): Filled<unknown> {
  if (typeof value === 'string') return fillText(value, variables);
  if (typeof value !== 'object' || value === null) return { ok: true, value };
  let changed = false;
  const filled: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const found = fillValue(inner, variables);
    if (!found.ok) return found;
    changed ||= found.value !== inner;
    filled.push([key, found.value]);
  }
  if (!changed) return { ok: true, value };
  return { ok: true, value: Array.isArray(value) ? filled.map(([, inner]) => inner) : Object.fromEntries(filled) };
}

function lookUp(name: string, { device, user, site }: Variables): string | undefined {
  switch (name) {
    case 'device.name':
      return device.name;
    case 'device.group':
      return device.group;
    case 'site.name':
      return site.name;
    case 'user.name':
      return user?.name;
    case 'user.displayName':
      return user === undefined ? undefined : (user.displayName ?? user.name);
    default:
      return attributeOf(name, device.attributes, user?.attributes);
  }
}

type Attributes = Readonly<Record<string, string>> | undefined;

function attributeOf(name: string, ofDevice: Attributes, ofUser: Attributes): string | undefined {
  const attribute = name.slice(name.indexOf('.attribute.') + '.attribute.'.length);
  const attributes = name.startsWith('user.') ? ofUser : ofDevice;
  return attributes !== undefined && Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
}
