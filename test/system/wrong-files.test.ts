import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import type { DeploymentRow, SectionResult } from '@thinman/protocol';
import Database from 'better-sqlite3';
import type { Agent } from '../support/agent-commands.ts';
import { canMountDisk, mountSmallDisk, NO_DISK } from '../support/disk.ts';
import { expectLogin } from '../support/logins.ts';
import { freePort } from '../support/loopback.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { createTrust } from '../support/trust.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, GROUP } from '../support/ward.ts';

// Contents that are not what their SHA-256 says, and disks that have no room for them. Whatever becomes of a file, the device works.

const policy = (file: string, minutes: number) => `
kind: Policy
name: quiet-screens
body: { scope: device, settings: { power: { screenOffAfterMinutes: ${minutes} }, appearance: { wallpaper: ${file} } } }
`;

systemTests(
  'a file with a wrong content',
  { agents: ['tc-1'] },
  {
    async 'altered in the database and on the Primary: the device has it from the Secondary'(site) {
      const sha256 = await put(site, 'first.png', Buffer.alloc(700_000, 'first'));
      await kept(site, sha256);
      alterInDatabase(site, sha256);
      writeFileSync(join(site.primary.data, 'files', sha256), 'altered');
      await site.apply(policy('first.png', 1));
      await holds(site.agent('tc-1'), 'first.png', sha256);
      assert.ok(!existsSync(join(site.primary.data, 'files', sha256)), 'what had gone bad is gone');
    },

    async 'altered wherever the site has it: the section fails and says so, everything else is applied, and it is mended by putting it anew'(
      site,
    ) {
      const content = Buffer.alloc(700_000, 'second');
      const sha256 = await put(site, 'second.png', content);
      await kept(site, sha256);
      alterInDatabase(site, sha256);
      for (const { data } of [site.primary, site.secondary]) writeFileSync(join(data, 'files', sha256), 'altered');
      await site.apply(policy('second.png', 2));
      const failed = await sectionOf(site, 'tc-1', 'failed');
      assert.match(failed.result === 'failed' ? failed.why : '', /second\.png could not be fetched: .* not arrived/);
      const { settings, files } = policyOn(site.agent('tc-1'));
      assert.deepEqual([settings['power.screenOffAfterMinutes'], files['second.png']], [2, undefined]);
      await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');

      assert.equal(await put(site, 'second.png', content), sha256);
      await kept(site, sha256);
      await holds(site.agent('tc-1'), 'second.png', sha256);
      await sectionOf(site, 'tc-1', 'applied');
    },

    async 'gone bad on the device: it is fetched anew after the next start'(site) {
      const tc1 = site.agent('tc-1');
      const path = policyOn(tc1).files['second.png'] ?? '';
      await tc1.kill();
      writeFileSync(path, Buffer.alloc(700_000, 'x'));
      await tc1.start();
      const sha256 = path.split('/').at(-1) ?? '';
      await waitFor('the right content', () => (digestOf(path) === sha256 ? true : undefined));
    },

    async 'larger than a site holds, at a URL: no server at first, a cut, the rest by itself; a wrong hash is refused, an unknown CA too'(
      site,
    ) {
      const content = randomBytes(6 * 1024 * 1024);
      const sha256 = hash('sha256', content, 'hex');
      const web = await createWebServer(site.folder, content);
      try {
        const device = await site.addAgent('tc-url', GROUP, { NODE_EXTRA_CA_CERTS: web.caFile });
        await device.start();
        await waitUntilOn(device, site.primary);
        const fileAt = (of: string) =>
          JSON.stringify({ kind: 'File', name: 'film.png', body: { url: web.url, sha256: of, bytes: content.length } });

        await site.apply(fileAt(sha256));
        await site.apply(policy('film.png', 4));
        assert.match(
          whyOf(await sectionOf(site, 'tc-url', 'failed')),
          /127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)/,
        );
        assert.equal(policyOn(device).settings['power.screenOffAfterMinutes'], 4, 'everything else is applied');
        await expectLogin(device, ALICE, 'granted online by primary');

        await web.start();
        web.cutAfter(4 * 1024 * 1024);
        // By itself, after 10 s; and once more, from where the wire was cut.
        await site.apply(policy('film.png', 5));
        await waitFor('the cut', () => (web.asked.length > 0 ? true : undefined));
        await site.apply(policy('film.png', 6));
        await holds(device, 'film.png', sha256);
        await sectionOf(site, 'tc-url', 'applied');
        const [first, ...more] = web.asked.map(({ range }) => range);
        assert.equal(first, undefined);
        const [, from = '0'] = /^bytes=(\d+)-$/.exec(more.at(-1) ?? '') ?? [];
        assert.ok(Number(from) > 0 && Number(from) <= 4 * 1024 * 1024, `it went on at ${more.at(-1)}`);
        assert.match(whyOf(await sectionOf(site, 'tc-1', 'failed')), /this device does not trust its certificate/);

        await site.apply(fileAt('0'.repeat(64)));
        assert.match(whyOf(await sectionOf(site, 'tc-url', 'failed')), /has another content than the site says/);
        assert.equal(policyOn(device).files['film.png'], undefined);
        const asked = web.asked.length;
        await site.apply(policy('film.png', 7));
        await waitFor('the next policy', () => {
          return policyOn(device).settings['power.screenOffAfterMinutes'] === 7 ? true : undefined;
        });
        assert.equal(web.asked.length, asked, 'it is not fetched again for an hour');
        await site.apply(fileAt(sha256));
        await holds(device, 'film.png', sha256);
      } finally {
        await web.stop();
      }
    },
  },
);

const whyOf = (result: SectionResult) => (result.result === 'failed' ? result.why : result.result);

type WebServer = {
  readonly url: string;
  /** Of a CA that is nobody else's. */
  readonly caFile: string;
  /** Of each answer to somebody who trusts it. */
  readonly asked: { readonly range: string | undefined }[];
  start(): Promise<void>;
  /** The next answer breaks off after so many bytes. */
  cutAfter(bytes: number): void;
  stop(): Promise<void>;
};

/** A hospital's web server, with a certificate of the hospital's CA. It does not listen yet. */
async function createWebServer(folder: string, content: Buffer): Promise<WebServer> {
  const trust = await createTrust();
  const { key, certificate } = await trust.server();
  const caFile = join(folder, 'hospital-ca.crt');
  writeFileSync(caFile, trust.caCertificate);
  const port = await freePort();
  const asked: { readonly range: string | undefined }[] = [];
  let cut: number | undefined;
  const server = createServer({ key, cert: certificate }, ({ headers: { range } }, response) => {
    asked.push({ range });
    const [, from] = /^bytes=(\d+)-$/.exec(range ?? '') ?? [];
    const rest = content.subarray(Number(from ?? 0));
    const answered = { 'content-length': rest.length };
    if (from === undefined) response.writeHead(200, answered);
    else
      response.writeHead(206, {
        ...answered,
        'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
      });
    if (cut === undefined) {
      response.end(rest);
      return;
    }
    response.write(rest.subarray(0, cut), () => response.destroy());
    cut = undefined;
  });
  return {
    ...{ url: `https://127.0.0.1:${port}/film.png`, caFile, asked },
    async start() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    cutAfter(bytes) {
      cut = bytes;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** Less than the file and what stays free for logins need together. */
const DISK_BYTES = 64 * 1024 * 1024;
const LEFT_BYTES = 33 * 1024 * 1024;

systemTests(
  'a file for which the disk of the device has no room',
  { skip: canMountDisk() ? false : NO_DISK, agents: [] },
  {
    async 'is left out and reported, logins keep their room, and it comes when there is more'(site) {
      using disk = mountSmallDisk(site.folder, 'tc-full', DISK_BYTES);
      assert.ok(disk !== undefined);
      const device = await site.addAgent('tc-full', GROUP);
      await device.start();
      await waitUntilOn(device, site.primary);
      disk.fill(LEFT_BYTES);
      const sha256 = await put(site, 'large.png', Buffer.alloc(4 * 1024 * 1024, 'large'));
      await site.apply(policy('large.png', 3));
      const failed = await sectionOf(site, 'tc-full', 'failed');
      assert.match(failed.result === 'failed' ? failed.why : '', /large\.png needs \d+ bytes more, .* stay free/);
      assert.equal(policyOn(device).settings['power.screenOffAfterMinutes'], 3);
      await expectLogin(device, ALICE, 'granted online by primary');
      disk.free();
      await holds(device, 'large.png', sha256);
      await sectionOf(site, 'tc-full', 'applied');
      await device.stop();
    },
  },
);

async function put(site: Site, name: string, content: Buffer): Promise<string> {
  const file = join(site.folder, 'to-put');
  writeFileSync(file, content);
  await site.primary.administer(['file', 'put', '--name', name, file]);
  rmSync(file);
  return hash('sha256', content, 'hex');
}

/** Both servers have it whole. */
const kept = (site: Site, sha256: string) =>
  waitFor('both servers to keep it', () =>
    [site.primary, site.secondary].every(({ data }) => digestOf(join(data, 'files', sha256)) === sha256)
      ? true
      : undefined,
  );

function alterInDatabase({ primary }: Site, sha256: string): void {
  const database = new Database(join(primary.data, 'site.db'));
  const altered = Buffer.from('altered').toString('base64');
  const { changes } = database
    .prepare('UPDATE file_chunks SET data = ? WHERE hash = ? AND part = 1')
    .run(altered, sha256);
  database.close();
  assert.equal(changes, 1);
}

const holds = (device: Agent, name: string, sha256: string) =>
  waitFor(`${device.name} to have ${name}`, () => {
    const path = policyOn(device).files[name];
    return path !== undefined && digestOf(path) === sha256 ? true : undefined;
  });

function policyOn(device: Agent): {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly files: Readonly<Record<string, string>>;
} {
  const written = JSON.parse(readFileSync(join(device.data, 'applied', 'device-policy.json'), 'utf8'));
  return { files: {}, ...written };
}

/** What the site has been told of the wallpaper. */
function sectionOf(site: Site, device: string, wanted: SectionResult['result']): Promise<SectionResult> {
  return waitFor(`${device} to tell that its wallpaper is ${wanted}`, async () => {
    const [found] = (await site.primary.get('Policy')).filter(({ name }) => name === 'quiet-screens');
    const shown = await site.primary.administer(['deployment', 'show', String(found?.generation), '-o', 'json']);
    const { devices } = JSON.parse(shown) as { readonly devices: readonly DeploymentRow[] };
    const row = devices.find(one => one.device === device && one.user === null);
    if (row === undefined || row.state === 'waiting') return undefined;
    const result = row.sections.appearance ?? { result: 'applied' };
    return result.result === wanted ? result : undefined;
  });
}

function digestOf(path: string): string | undefined {
  return existsSync(path) ? hash('sha256', readFileSync(path), 'hex') : undefined;
}
