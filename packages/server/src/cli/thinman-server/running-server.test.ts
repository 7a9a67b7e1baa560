import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerReport } from '@thinman/protocol';
import { afterDrain, inWords } from './running-server.ts';

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

  it('says of a schema of another version where the one of this version comes from', () => {
    const version = (schema: number) => /^version +(.*)$/m.exec(inWords({ ...REPORT, schema, writesSchema: 2 }))?.[1];
    assert.equal(version(2), '1.0.0 (schema 2)');
    assert.equal(version(1), '1.0.0 (schema 1; 2 comes when the Primary runs this version)');
    assert.equal(version(3), '1.0.0 (schema 3; 2 is what it knows: update this server)');
  });

  it('says of a Secondary that it has not heard of yet just that, and not that it lacks the whole site', () => {
    const missing = { count: 2061, objects: [{ kind: 'User', name: 'u1', generation: 14 }] };
    const at = { name: 'secondary', lagMs: 0, journalPending: 0, missing, epoch: 0, generation: 0 };
    const line = (state: 'serving' | null, linked: boolean) =>
      /^secondary +(.*)$/m.exec(inWords({ ...REPORT, secondaries: [{ ...at, state, linked }] }))?.[1] ?? '';
    assert.equal(line(null, false), 'secondary, no link, not heard of since this server was started');
    assert.match(line('serving', false), /^secondary, no link, last serving, at 0\.0; 2061 objects /);
  });

  it('says of a former Primary whether all that it alone has was exported', () => {
    const line = (complete: boolean, file: string | null) =>
      /^export +(.*)$/m.exec(inWords({ ...REPORT, exported: { complete, file } }))?.[1] ?? '';
    assert.equal(line(true, null), 'nothing had to be exported');
    assert.equal(line(true, '/d/fork-1.yaml'), 'what it alone has is in /d/fork-1.yaml');
    assert.match(line(false, null), /^not complete yet: it needs its database/);
    assert.match(line(false, '/d/fork-1.yaml'), /^not complete yet \(what it alone has is in \/d\/fork-1\.yaml\)/);
    assert.doesNotMatch(inWords(REPORT), /^export/m);
  });

  it('says of a Primary that sees nobody why it takes no writes', () => {
    assert.match(inWords({ ...REPORT, isolated: true }), /^writes +refused: it sees neither .*--isolated/m);
    assert.doesNotMatch(inWords(REPORT), /^writes/m);
  });

  it('says after a planned stop who stays behind, where nobody else serves', () => {
    const alone = { ...REPORT, connectedDevices: 12 };
    const words = 'primary has stopped. Thin clients left behind: 12 (no other server was there to take them).\n';
    assert.equal(afterDrain(alone), words);
    const missing = { count: 0, objects: [] };
    const at = { name: 'secondary', epoch: 1, generation: 4, lagMs: 0, journalPending: 0, missing };
    const beside = (state: 'serving' | 'unavailable', linked = true) =>
      afterDrain({ ...alone, secondaries: [{ ...at, state, linked }] });
    assert.equal(beside('serving'), 'primary has stopped.\n');
    assert.equal(beside('unavailable'), words);
    assert.equal(beside('serving', false), words);
    const secondary = (connected: boolean) =>
      afterDrain({ ...alone, role: 'secondary', link: { server: 'primary', connected } });
    assert.equal(secondary(true), 'primary has stopped.\n');
    assert.equal(secondary(false), words);
  });
});
