import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createLogger } from '../http/logger.ts';
import { logTurningPoints, type TurningPoint } from './turning-points.ts';

const AT_FIRST: TurningPoint = { role: 'secondary', epoch: 1, forked: false, isolated: false };
const [INFO, WARN, ERROR] = [30, 40, 50];

describe('what changes who and what counts', () => {
  let now: TurningPoint;
  let lines: Record<string, unknown>[];
  let log: ReturnType<typeof logTurningPoints>;

  beforeEach(() => {
    now = AT_FIRST;
    lines = [];
    const logger = createLogger({ destination: { write: line => void lines.push(JSON.parse(line)) } });
    log = logTurningPoints(() => now, logger);
  });
  const becomes = (changed: Partial<TurningPoint>) => {
    now = { ...now, ...changed };
    lines = [];
    for (let looks = 0; looks < 3; looks++) log.look();
    return lines.map(({ level, msg }) => `${level} ${String(msg).split(':')[0]}`);
  };

  it('is no news while nothing changes', () => assert.deepEqual(becomes({}), []));

  it('is a line for a promotion: the epoch, and the role', () => {
    assert.deepEqual(becomes({ role: 'primary', epoch: 2 }), [
      `${WARN} a new epoch of the site`,
      `${WARN} this server is the Primary now`,
    ]);
    assert.deepEqual([lines[0]?.epoch, lines[0]?.before], [2, 1]);
    assert.deepEqual(becomes({ role: 'secondary' }), [`${WARN} this server is the Primary no more`]);
  });

  it('is an error for a fork, once, and a line when it is over', () => {
    assert.deepEqual(becomes({ forked: true }), [`${ERROR} the database lacks what was seen of it`]);
    assert.deepEqual(becomes({ forked: false }), [`${INFO} the database lacks nothing any more`]);
  });

  it('is a line for isolation, and one when it is over', () => {
    assert.deepEqual(becomes({ isolated: true }), [`${WARN} this Primary sees nobody`]);
    assert.match(becomes({ isolated: false })[0] ?? '', new RegExp(`^${INFO} administrative writes are taken again`));
  });
});
