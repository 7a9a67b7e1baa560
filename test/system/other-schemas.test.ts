import assert from 'node:assert/strict';
import { join } from 'node:path';
import { installReleases, NEXT_RELEASE, THIS_RELEASE } from '../support/next-release.ts';
import { isServing } from '../support/redundant-faults.ts';
import { systemTest } from '../support/system-test.ts';

systemTest('the next release on an embedded database, and this one after it', { agents: [] }, async site => {
  installReleases(join(site.folder, 'releases'));
  const next = join(site.folder, 'releases', 'next', 'node_modules', '.bin', 'thinman-server');
  const { primary, secondary } = site;
  const apply = (name: string) => site.apply(`kind: UserGroup\nname: ${name}\nbody: {}\n`);

  await primary.stop();
  await primary.start(next);
  await primary.waitForStatus('to have brought the schema up', ({ schema }) => schema === NEXT_RELEASE.schema);
  assert.match(primary.process().stderr(), /the schema of the database was brought up/);
  await apply('by-the-next');
  // The Secondary is of this release all the while.
  const { generation } = await primary.status();
  await secondary.waitForStatus('to follow', status => isServing(status) && status.generation >= generation);
  assert.match(secondary.process().stderr(), /the database has a newer schema: update this server/);

  await primary.stop();
  await primary.start();
  await primary.waitForStatus('to serve with the newer schema', isServing);
  await apply('by-this-one');
  const { version, schema, writesSchema } = await primary.status();
  assert.deepEqual([version, schema, writesSchema], [THIS_RELEASE.version, NEXT_RELEASE.schema, THIS_RELEASE.schema]);
});
