import { parseValue, readUtf8 } from '@thinman/protocol';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifySchemaCompiler,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Static, TSchema } from 'typebox';
import { RefusedInput } from './problems.ts';

/** Types of a route's input follow from the protocol's schemas in its `schema`. */
export interface CodecTypeProvider extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  readonly serializer: unknown;
}

/** fastify as this server uses it, over TLS and on the local socket. */
export type HttpApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  CodecTypeProvider
>;

/** The protocol's codec as fastify's validator: nothing is coerced, nothing is stripped (Ajv's defaults do both). */
const compileValidator: FastifySchemaCompiler<TSchema> =
  ({ schema }) =>
  (value: unknown) => {
    const parsed = parseValue(schema, value);
    return parsed.ok
      ? { value: parsed.value }
      : { error: new RefusedInput('bad_request', { problems: parsed.problems }) };
  };

/** JSON alone comes in; a POST without a body is `undefined`, whatever its content type says. */
export function useCodec(app: HttpApp): void {
  app.setValidatorCompiler(compileValidator);
  app.setSerializerCompiler(() => JSON.stringify);
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    const text = readUtf8(body as Buffer);
    if (text === undefined) return done(new RefusedInput('bad_request', { detail: 'The body is not UTF-8.' }));
    return parse(request, text, done);
  });
}
