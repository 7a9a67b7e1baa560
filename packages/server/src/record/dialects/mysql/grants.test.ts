import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grantedOn, lacking } from './grants.ts';

const NEEDED = ['CREATE', 'ALTER'];
const lack = (...lines: string[]) => lacking(NEEDED, grantedOn(lines, 'thin_man'));

describe('rights on a database', () => {
  it('are read from what SHOW GRANTS says of it, of patterns that fit it, and of all', () => {
    const who = 'TO `u`@`%`';
    assert.deepEqual(lack(`GRANT USAGE ON *.* ${who}`), NEEDED);
    assert.deepEqual(lack(`GRANT SELECT, CREATE, ALTER ON \`thin_man\`.* ${who}`), []);
    assert.deepEqual(lack(`GRANT ALTER ON \`thin\\_man\`.* ${who}`, `GRANT CREATE ON *.* ${who}`), []);
    assert.deepEqual(lack(`GRANT ALL PRIVILEGES ON \`thin%\`.* ${who} WITH GRANT OPTION`), []);
    assert.deepEqual(lack(`GRANT ALL PRIVILEGES ON \`other\`.* ${who}`), NEEDED);
    assert.deepEqual(
      lack(`GRANT ALL PRIVILEGES ON \`thinXman\`.* ${who}`, `GRANT CREATE ON \`thin.man\`.* ${who}`),
      NEEDED,
    );
  });

  it('on one table, or to create something else, are not enough', () => {
    assert.deepEqual(lack('GRANT ALL PRIVILEGES ON `thin_man`.`site` TO `u`@`%`'), NEEDED);
    assert.deepEqual(lack('GRANT CREATE VIEW, ALTER ROUTINE ON `thin_man`.* TO `u`@`%`'), NEEDED);
  });

  it('are not denied to who has roles: what those give is not known here', () => {
    assert.deepEqual(lack('GRANT USAGE ON *.* TO `u`@`%`', 'GRANT `app`@`%` TO `u`@`%`'), []);
    assert.deepEqual(lack('GRANT `app` TO `u`@`%`', 'SET DEFAULT ROLE `app` FOR `u`@`%`'), []);
  });
});
