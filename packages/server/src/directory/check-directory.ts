import { X509Certificate } from 'node:crypto';
import type { DirectoryBody, FieldProblem } from '@thinman/protocol';
import { FilterParser } from 'ldapts';

/** What is wrong with a Directory that its schema cannot see, before it is stored. */
export function checkDirectory(body: DirectoryBody): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  const say = (field: string, message: string) => problems.push({ field, message });
  for (const field of ['userFilter', 'groupFilter'] as const) {
    const filter = body[field];
    if (filter === undefined) continue;
    try {
      FilterParser.parseString(filter);
    } catch {
      say(field, 'is no LDAP filter (RFC 4515), like (uid={user})');
    }
  }
  if (body.userFilter !== undefined && !/\{(?:user|upn)\}/.test(body.userFilter)) {
    say('userFilter', 'does not look at the name: it needs {user} or {upn}');
  }
  if (body.groupFilter !== undefined && !/\{(?:dn|user)\}/.test(body.groupFilter)) {
    say('groupFilter', 'does not look at the user: it needs {dn} or {user}');
  }
  for (const [at, url] of body.urls.entries()) {
    if (!URL.canParse(url) || new URL(url).hostname === '') say(`urls.${at}`, 'is no URL like ldaps://dc1.example.org');
  }
  if (body.startTls === true && body.urls.every(url => url.startsWith('ldaps:')))
    say('startTls', 'is for ldap: URLs; those of this directory have TLS from the start');
  // A name without a password is no account: people would be looked up as nobody, and nothing would say so.
  if (body.bindDn !== undefined && body.bindPassword === undefined) say('bindPassword', 'is missing, for bindDn');
  if (body.baseDn !== '' && !/^\s*[a-z0-9.-]+\s*=/i.test(body.baseDn)) say('baseDn', 'is no DN, like dc=lab,dc=test');
  if (body.ca !== undefined && !isCertificate(body.ca)) say('ca', 'is no certificate in PEM form');
  return problems;
}

/** What is taken, and ought to be known. */
export function directoryWarnings(name: string, { urls, startTls = false }: DirectoryBody): readonly string[] {
  return urls
    .filter(url => url.startsWith('ldap:') && !startTls && !LOOPBACK.includes(new URL(url).hostname))
    .map(url => `Directory ${name}: passwords go to ${url} in clear; use ldaps:, or startTls: true`);
}

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem) !== undefined;
  } catch {
    return false;
  }
}
