import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerReport } from '@thinman/protocol';
import { inWords } from './running-server.ts';

const REPORT: ServerReport = {
  ...{ name: 'primary', role: 'primary', state: 'serving', epoch: 1, generation: 4 },
  database: { kind: 'mysql', reachable: true, lagMs: 0 },
  ...{ connectedDevices: 0, journalPending: 0, version: '1.0.0', schema: 1 },
};
const away = { kind: 'mysql', reachable: false, lagMs: 0 } as const;

describe('the status of a server, in words', () => {
  it('says of a server that was removed what to do', () => {
    const words = inWords({ ...REPORT, state: 'unavailable', why: 'removed' });
    assert.match(words, /, unavailable: this server is no longer in the site's statement: join it again$/m);
    assert.match(inWords(REPORT), /^server +primary \(primary\), serving$/m);
  });

  it('tells a database that refuses from one that is away, in the words of the error, which drive no terminal', () => {
    const refused = { code: 'refused', message: 'it refuses the account\u001b[2J (1045)' };
    const words = inWords({ ...REPORT, database: away, databaseError: refused });
    assert.match(words, /^database +mysql cannot be used\n +it refuses the account\\u001b\[2J \(1045\)$/m);
    const late = { code: 'unreachable', message: 'no answer' };
    assert.match(inWords({ ...REPORT, database: away, databaseError: late }), /^database +mysql does not answer$/m);
    assert.match(inWords(REPORT), /^database +mysql answers$/m);
  });
});
