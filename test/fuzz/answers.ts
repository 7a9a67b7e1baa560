import { describeProblems, ERRORS, isErrorCode, PROBLEM_CONTENT_TYPE, Problem, parseValue } from '@thinman/protocol';
import type { FuzzRequest, Route } from './requests.ts';

export type Answer = { readonly status: number; readonly contentType: string | undefined; readonly text: string };

const OK = 200;
const NO = 403;
const NOT_MODIFIED = 304;

/** What is wrong with an answer, whatever was asked; undefined: it is one of the protocol. */
export function wrongIn(routes: readonly Route[], request: FuzzRequest, answer: Answer): string | undefined {
  const { status, text } = answer;
  if (status === NOT_MODIFIED) return text === '' ? undefined : '304 with a body';
  const fitting = routes.filter(route => route.method === request.method && isAt(route, request.path));
  // A program that reads no JSON is told no in words too.
  if ((status === OK || status === NO) && fitting.some(route => route.answer === 'text')) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return `${status}, and no JSON: ${text.slice(0, 200)}`;
  }
  if (status >= 400) return wrongProblem(answer, body);
  const schemas = fitting.flatMap(({ answer: schema }) => (schema === 'text' ? [] : [schema]));
  const wrong = schemas.map(schema => parseValue(schema, body)).filter(parsed => !parsed.ok);
  if (schemas.length > 0 && wrong.length < schemas.length) return undefined;
  return `${status}, and not the answer of this route: ${wrong.map(({ problems }) => describeProblems(problems)).join(' | ')}`;
}

function wrongProblem({ status, contentType, text }: Answer, body: unknown): string | undefined {
  const parsed = parseValue(Problem, body);
  if (!parsed.ok) return `${status} without a problem document: ${describeProblems(parsed.problems)}`;
  const { code } = parsed.value;
  if (contentType !== PROBLEM_CONTENT_TYPE) return `a problem document as ${contentType}`;
  if (!isErrorCode(code) || ERRORS[code].status !== status || parsed.value.status !== status) {
    return `${status} with the code ${code}`;
  }
  // Nothing that is sent may make a server fail, and nothing here is ever away.
  return status >= 500 ? `${status}: ${text.slice(0, 300)}` : undefined;
}

function isAt({ path }: Route, asked: string): boolean {
  const parts = path.split('/');
  const isSame = (given: readonly string[]) =>
    parts.length === given.length && parts.every((part, at) => part.startsWith(':') || part === given[at]);
  const raw = asked.split('?', 1)[0] ?? '';
  // `inject` sends what a browser would make of it: `/a/./b` is `/a/b`.
  const browsed = URL.parse(raw, 'http://localhost')?.pathname ?? raw;
  return isSame(raw.split('/')) || isSame(browsed.split('/'));
}
