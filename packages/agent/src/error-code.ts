/** The `code` of an error of Node or SQLite. Messages are for people and never looked at. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
