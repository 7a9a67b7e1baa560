import { parseJson, type SignedStatement, SiteStatement } from '@thinman/protocol';
import { MAX_STATEMENT_CHARS } from './statement.ts';

/** What a site row says of its epoch, signed or not. */
export function epochIn({ statement }: Pick<SignedStatement, 'statement'>): Pick<SiteStatement, 'epoch' | 'epochId'> {
  const parsed = parseJson(SiteStatement, statement, MAX_STATEMENT_CHARS);
  return parsed.ok ? parsed.value : { epoch: 0 };
}
