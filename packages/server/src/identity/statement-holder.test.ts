import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { SignedStatement, SiteStatement } from '@thinman/protocol';
import { createTrust, statementOf, statementServer, type Trust } from '../../../../test/support/trust.ts';
import { createStatementHolder, type HeldStatement, type StatementHolder } from './statement-holder.ts';

describe('statements of one epoch that two servers have begun', () => {
  let trust: Trust;
  let saved: SignedStatement[];
  let rivals: SignedStatement[];
  let told: number;
  let holder: StatementHolder;

  const of = (epoch: number, epochId: string | undefined, version: number): SiteStatement => ({
    ...statementOf(trust, [statementServer('https://127.0.0.1:1', 'k'.repeat(43))], version),
    ...{ epoch, ...(epochId !== undefined && { epochId }) },
  });
  const offer = (...which: Parameters<typeof of>) => holder.offer(trust.sign(of(...which)));
  const open = (held: SiteStatement, rival?: HeldStatement) => {
    const made = createStatementHolder(
      { held: { signed: trust.sign(held), statement: held }, rival },
      () => [trust.caCertificate],
      {
        save: signed => saved.push(signed),
        saveRival: signed => rivals.push(signed),
      },
    );
    made.onChange(() => told++);
    return made;
  };

  beforeEach(async () => {
    trust = await createTrust();
    [saved, rivals, told] = [[], [], 0];
    holder = open(of(2, 'ours', 5));
  });

  it('neither is newer: its own stays, whatever the version of the other, which is kept beside it and told', () => {
    assert.equal(offer(2, 'theirs', 9), false);
    assert.deepEqual([holder.current().statement.epochId, holder.rival()?.statement.epochId], ['ours', 'theirs']);
    assert.deepEqual([saved.length, rivals.length, told], [0, 1, 1]);
    assert.equal(offer(2, 'theirs', 9), false);
    assert.equal(offer(2, 'theirs', 10), false);
    assert.deepEqual([rivals.length, told], [2, 1]);
    assert.equal(offer(2, 'ours', 6), true);
    assert.equal(holder.rival()?.statement.version, 10);
  });

  it('that of a later epoch ends it', () => {
    offer(2, 'theirs', 9);
    assert.equal(offer(3, 'theirs-again', 7), true);
    assert.equal(holder.rival(), undefined);
    assert.equal(offer(2, 'theirs', 11), false);
    assert.equal(holder.rival(), undefined);
  });

  it('is remembered over a restart, as long as it is of the epoch that is held', () => {
    offer(2, 'theirs', 9);
    const rival = holder.rival();
    assert.equal(open(of(2, 'ours', 5), rival).rival()?.statement.version, 9);
    assert.equal(open(of(3, 'ours-again', 12), rival).rival(), undefined);
  });

  it('one of an older version, which names no epoch, is of no other line', () => {
    assert.equal(offer(2, undefined, 9), true);
    assert.equal(holder.rival(), undefined);
  });

  it('one that the site has not signed is none', async () => {
    const other = await createTrust();
    assert.equal(holder.offer(other.sign(of(2, 'theirs', 9))), false);
    assert.equal(holder.rival(), undefined);
  });
});
