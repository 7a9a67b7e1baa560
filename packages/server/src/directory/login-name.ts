/** A typed name in its parts. */
export type LoginParts = {
  /** Without suffix and domain. */
  readonly local: string;
  /** In lower case; undefined: a plain name. */
  readonly domain: string | undefined;
  readonly form: 'plain' | 'suffix' | 'backslash';
};

/** `alice`, `alice@lab.test`, `LAB\alice`. The domain is what stands behind the last `@`, or before the first `\`. */
export function loginParts(typed: string): LoginParts {
  const name = typed.normalize('NFC');
  const back = name.indexOf('\\');
  if (back > 0) return { local: name.slice(back + 1), domain: name.slice(0, back).toLowerCase(), form: 'backslash' };
  const at = name.lastIndexOf('@');
  if (at > 0) return { local: name.slice(0, at), domain: name.slice(at + 1).toLowerCase(), form: 'suffix' };
  return { local: name, domain: undefined, form: 'plain' };
}

/** What a directory is called in names, in lower case. */
export type Domains = { readonly suffix: string | undefined; readonly domain: string | undefined };

/** Whether the name says that it is one of this directory: by the suffix, by its first label (`LAB\alice`), or by the domain. */
export function belongsTo({ domain, form }: LoginParts, { suffix, domain: own }: Domains): boolean {
  if (domain === undefined) return false;
  const names = [suffix, own].filter(name => name !== undefined);
  if (form === 'suffix') return names.includes(domain);
  return names.some(name => name === domain || name.split('.')[0] === domain);
}
