import { isNewerStatement, isRivalStatement, parseJson, SignedStatement, type SiteStatement } from '@thinman/protocol';
import { verifyStatement } from './statement.ts';

const MAX_FILE_CHARS = 512 * 1024;

export type HeldStatement = { readonly signed: SignedStatement; readonly statement: SiteStatement };

/** The newest valid site statement that this server has seen, from wherever it came. */
export type StatementHolder = {
  current(): HeldStatement;
  /** The last valid one of the same epoch that was begun on another line of commits, until one of a later epoch is held. */
  rival(): HeldStatement | undefined;
  /** Takes it if it is valid and newer; a rival is kept beside it. */
  offer(signed: SignedStatement): boolean;
  /** Of both. */
  onChange(listener: (held: HeldStatement) => void): () => void;
};

/** Puts a statement on disk before anybody is told of it, so that a restart never goes back, nor forgets a rival. */
export type StatementKeeping = {
  readonly save: (signed: SignedStatement) => unknown;
  readonly saveRival: (signed: SignedStatement) => unknown;
};

/** `trusted`: the CAs that this server holds now. */
export function createStatementHolder(
  first: { readonly held: HeldStatement; readonly rival?: HeldStatement | undefined },
  trusted: () => readonly string[],
  { save, saveRival }: StatementKeeping,
): StatementHolder {
  let { held, rival } = first;
  const listeners = new Set<(held: HeldStatement) => void>();
  const rivalNow = () => (rival !== undefined && isRivalStatement(rival.statement, held.statement) ? rival : undefined);
  const told = () => {
    for (const listener of listeners) listener(held);
    return true;
  };

  function meet(found: HeldStatement): boolean {
    const isNews = rivalNow() === undefined;
    saveRival(found.signed);
    rival = found;
    if (isNews) told();
    return false;
  }

  return {
    current: () => held,
    rival: rivalNow,
    offer(signed) {
      // The same text again and again is the normal case: not verified again.
      if ([held, rivalNow()].some(known => known?.signed.statement === signed.statement)) return false;
      const statement = verifyStatement(signed, trusted());
      if (statement === undefined) return false;
      if (isRivalStatement(statement, held.statement)) return meet({ signed, statement });
      if (!isNewerStatement(statement, held.statement)) return false;
      save(signed);
      held = { signed, statement };
      return told();
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
