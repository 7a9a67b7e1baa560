import type { StatementAnswer } from '@thinman/protocol';
import { forkPoint } from '../core/fork-point.ts';
import { epochIn } from '../identity/epoch-id.ts';
import type { Replica, SourceOfRecord } from '../ports.ts';

/**
 * The generation up to which the new Primary has what this superseded one has; all after it is exported. Where both have begun
 * the same epoch, only the two lines together tell where they parted. undefined: not known now, to be asked again. Rejects with
 * DatabaseUnavailable.
 */
export async function exportedSince(
  { restsOn, line }: Pick<StatementAnswer, 'restsOn' | 'line'>,
  replica: Pick<Replica, 'site'>,
  record: Pick<SourceOfRecord, 'line'>,
): Promise<NonNullable<StatementAnswer['restsOn']> | undefined> {
  const site = replica.site();
  if (site === undefined || restsOn === null) return undefined;
  const { epoch, epochId } = epochIn(site.statement);
  const isTheirs = epochId === undefined || line?.some(span => span.epoch === epoch && span.begunBy === epochId);
  if (isTheirs || line === undefined) return restsOn;
  return { ...restsOn, generation: forkPoint(await record.line(), line) };
}
