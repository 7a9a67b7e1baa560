import { test } from 'node:test';
import { type NemesisOptions, runNemesis } from './nemesis.ts';

/** A short one, so that it goes on working; full disks have tests of their own. To look for something: `npm run nemesis -- --minutes 30 --database mariadb`. */
export function nemesisTest(options: NemesisOptions): void {
  const on = options.database === undefined ? 'the embedded database' : `FULL on ${options.database}`;
  test(`whatever fails on ${on}, nothing is lost and nobody who may log in is kept out`, t =>
    runNemesis({ ...options, fullDisks: false, say: line => t.diagnostic(line) }).then(() => {}));
}
