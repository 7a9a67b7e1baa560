import { type DestinationStream, type Logger, pino } from 'pino';

/** Fields that never reach a log, wherever they stand in what is logged: at the top and one level down. */
const SECRET_FIELDS = [
  'password',
  'secret',
  'token',
  'proof',
  'csr',
  'authorization',
  'cookie',
  'privateKey',
  'dataKey',
];

/** The server's log: one JSON object a line. `level` is one of pino's. */
export function createLogger(
  options: { readonly level?: string; readonly destination?: DestinationStream } = {},
): Logger {
  const redact = { paths: SECRET_FIELDS.flatMap(field => [field, `*.${field}`, `*.*.${field}`]), censor: '[redacted]' };
  const settings = { level: options.level ?? 'info', redact, base: null };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}
