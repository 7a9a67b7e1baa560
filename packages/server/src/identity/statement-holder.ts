import { isNewerStatement, parseJson, SignedStatement, type SiteStatement } from '@thinman/protocol';
import { verifyStatement } from './statement.ts';

const MAX_FILE_CHARS = 512 * 1024;

export type HeldStatement = { readonly signed: SignedStatement; readonly statement: SiteStatement };

/** The newest valid site statement that this server has seen, from wherever it came. */
export type StatementHolder = {
  current(): HeldStatement;
  /** Takes it if it is valid and newer. */
  offer(signed: SignedStatement): boolean;
  onChange(listener: (held: HeldStatement) => void): () => void;
};

/**
 * `trusted`: the CAs that this server holds now. `save` puts a newer one on disk before anybody is told of it, so that a
 * restart never goes back.
 */
export function createStatementHolder(
  first: HeldStatement,
  trusted: () => readonly string[],
  save: (signed: SignedStatement) => unknown,
): StatementHolder {
  let held = first;
  const listeners = new Set<(held: HeldStatement) => void>();
  return {
    current: () => held,
    offer(signed) {
      // The same text again and again is the normal case: not verified again.
      if (signed.statement === held.signed.statement) return false;
      const statement = verifyStatement(signed, trusted());
      if (statement === undefined || !isNewerStatement(statement, held.statement)) return false;
      save(signed);
      held = { signed, statement };
      for (const listener of listeners) listener(held);
      return true;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A statement in its file form. undefined: not valid. */
export function readHeldStatement(text: string, caCertificates: readonly string[]): HeldStatement | undefined {
  const parsed = parseJson(SignedStatement, text, MAX_FILE_CHARS);
  const statement = parsed.ok ? verifyStatement(parsed.value, caCertificates) : undefined;
  return parsed.ok && statement !== undefined ? { signed: parsed.value, statement } : undefined;
}
