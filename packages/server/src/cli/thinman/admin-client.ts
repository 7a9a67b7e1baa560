import { Problem, parseJson } from '@thinman/protocol';
import type { Static, TSchema } from 'typebox';
import { Agent, type Dispatcher, request } from 'undici';
import { CommandError, EXIT, RefusedByServer } from './command-error.ts';

/** The administration of one server, over the network or its local socket. */
export type AdminClient = {
  /** Throws RefusedByServer, or CommandError when nobody of ours answers. */
  ask<S extends TSchema>(schema: S, question: Question): Promise<Static<S>>;
  close(): Promise<void>;
};

export type Question = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below `/v1/admin`, as written in a URL. */
  readonly path: string;
  readonly body?: unknown;
  /** Default: DEADLINE_MS. */
  readonly deadlineMs?: number;
};

export type Endpoint =
  | { readonly kind: 'socket'; readonly path: string; readonly data: string }
  | { readonly kind: 'network'; readonly url: string; readonly ca: readonly string[]; readonly token?: string };

/** Three times what a server itself waits for its database. */
const DEADLINE_MS = 30_000;
/** A server says its state from memory: one that has not done so by then hangs. */
export const STATUS_DEADLINE_MS = 5_000;
const CONNECT_DEADLINE_MS = 10_000;
/** A page of 1,000 of the largest objects. */
const MAX_ANSWER_CHARS = 256 * 1024 * 1024;

export function connect(endpoint: Endpoint): AdminClient {
  const dispatcher = new Agent({
    connect: {
      timeout: CONNECT_DEADLINE_MS,
      ...(endpoint.kind === 'socket' ? { socketPath: endpoint.path } : {}),
      ...(endpoint.kind === 'network' && endpoint.ca.length > 0 ? { ca: [...endpoint.ca] } : {}),
    },
    // The deadline of the whole question is exact; undici's own timers are not (`traps.md`).
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    async ask(schema, question) {
      const { status, text } = await exchange(dispatcher, endpoint, question);
      if (status === 200) {
        const parsed = parseJson(schema, text, MAX_ANSWER_CHARS);
        if (parsed.ok) return parsed.value;
      }
      const problem = parseJson(Problem, text, MAX_ANSWER_CHARS);
      if (status !== 200 && problem.ok) throw new RefusedByServer(problem.value);
      throw new CommandError(
        EXIT.unreachable,
        `what answers at ${nameOf(endpoint)} is no ThinMan server of this version`,
      );
    },
    close: () => dispatcher.close(),
  };
}

async function exchange(dispatcher: Dispatcher, endpoint: Endpoint, question: Question) {
  const { method = 'GET', path, body, deadlineMs = DEADLINE_MS } = question;
  const origin = endpoint.kind === 'socket' ? 'http://localhost' : endpoint.url;
  const token = endpoint.kind === 'network' ? endpoint.token : undefined;
  try {
    const answer = await request(`${origin}/v1/admin${path}`, {
      dispatcher,
      method,
      signal: AbortSignal.timeout(deadlineMs),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  } catch (error) {
    throw new CommandError(EXIT.unreachable, unreachable(endpoint, error));
  }
}

function nameOf(endpoint: Endpoint): string {
  return endpoint.kind === 'socket' ? endpoint.path : endpoint.url;
}

/** Node's and OpenSSL's codes for "I do not trust this certificate". */
const UNTRUSTED = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'CERT_SIGNATURE_FAILURE',
];

function unreachable(endpoint: Endpoint, error: unknown): string {
  const { code, name, message } = error as NodeJS.ErrnoException;
  if (endpoint.kind === 'socket') {
    if (code === 'EACCES')
      return `${endpoint.path} may not be opened by this user: run the command as the server's user`;
    if (name === 'TimeoutError')
      return `the server in ${endpoint.data} gives no answer: look at its log, or restart it`;
    return `no server runs in ${endpoint.data}: start it with thinman-server start --data ${endpoint.data}`;
  }
  if (UNTRUSTED.includes(code ?? '')) {
    return `the certificate of ${endpoint.url} is not trusted: log in with --ca FILE or --pin SHA256 of the site's CA`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate at ${endpoint.url} is for another host name: write the URL that the server was given`;
  }
  const why = name === 'TimeoutError' ? 'no answer in time' : (code ?? message);
  return `${endpoint.url} cannot be reached (${why}): check the URL, and that the server runs`;
}
