import assert from 'node:assert/strict';
import type { ServerStatus } from '@thinman/protocol';
import type { Agent } from '../support/agent-commands.ts';
import { findSecretsIn } from '../support/canaries.ts';
import {
  deviceCredential,
  type Impostor,
  plainImpostor,
  type Reply,
  selfSignedTwin,
  stolenCredential,
  stolenTrust,
  tlsImpostor,
} from '../support/impostor.ts';
import { expectLogin } from '../support/logins.ts';
import type { Server } from '../support/server-commands.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { createTrust } from '../support/trust.ts';
import { ALICE, BOB } from '../support/ward.ts';

/** Where a server stood stands somebody else now. */
type Story = {
  readonly poses: (site: Site, place: Server) => Promise<Impostor>;
  /** What `status` tells of that server. */
  readonly lastError: string;
  /** Reason and detail of its event `alarm.tls`, where failover.md says alarm. */
  readonly alarm?: RegExp;
  readonly withoutTls?: true;
};

const WRONG_CA = 'a certificate of another CA';
const WRONG_KEY = 'a valid chain, and a key that is not in the statement';

const DAY_MS = 24 * 3_600_000;

/** To whom an impostor's TLS is refused, nothing may come; it would have known what to say. */
const STORIES: Readonly<Record<string, Story>> = {
  [WRONG_CA]: {
    poses: async ({ primary }, place) =>
      tlsImpostor(place, await (await createTrust()).server({ key: stolenCredential(primary).key }), lure),
    lastError: 'tls',
    alarm: /^tls: .*(UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT)/,
  },
  'a certificate of the site for another name': {
    poses: async ({ primary }, place) =>
      tlsImpostor(
        place,
        await stolenTrust(primary).server({ key: stolenCredential(primary).key, name: 'elsewhere.example' }),
        lure,
      ),
    lastError: 'tls',
    alarm: /^tls: .*(ERR_TLS_CERT_ALTNAME_INVALID)/,
  },
  'an expired certificate': {
    poses: async ({ primary }, place) =>
      tlsImpostor(
        place,
        await stolenTrust(primary).server({
          key: stolenCredential(primary).key,
          notAfter: new Date(Date.now() - DAY_MS / 2),
        }),
        lure,
      ),
    lastError: 'tls',
    alarm: /^tls: .*(CERT_HAS_EXPIRED)/,
  },
  [WRONG_KEY]: {
    poses: async ({ primary }, place) => tlsImpostor(place, await stolenTrust(primary).server(), lure),
    lastError: 'not_in_statement',
    alarm: /^not_in_statement: .*(statement)/,
  },
  'the key of the other server': {
    poses: async ({ secondary }, place) => tlsImpostor(place, stolenCredential(secondary), lure),
    lastError: 'not_in_statement',
    alarm: /^not_in_statement: .*(statement)/,
  },
  "a device's own certificate and key": {
    poses: async (site, place) => tlsImpostor(place, deviceCredential(site.agent('tc-1')), lure),
    lastError: 'tls',
    alarm: /^tls: .*(INVALID_PURPOSE|ALTNAME)/,
  },
  'a self-signed twin of its certificate': {
    poses: async ({ primary }, place) => tlsImpostor(place, await selfSignedTwin(stolenCredential(primary)), lure),
    lastError: 'tls',
    alarm: /^tls: .*(SELF_SIGNED|UNABLE_TO_VERIFY_LEAF_SIGNATURE)/,
  },
  'a captive portal without TLS': {
    poses: (_site, place) => plainImpostor(place, portal),
    withoutTls: true,
    lastError: 'tls',
    alarm: /^tls: .*(.)/,
  },
  'a captive portal behind the right certificate': {
    poses: ({ primary }, place) => tlsImpostor(place, stolenCredential(primary), portal),
    lastError: 'not_our_schema',
  },
  'garbage behind the right certificate': {
    poses: ({ primary }, place) =>
      tlsImpostor(place, stolenCredential(primary), () => '\u0000\u0001no HTTP at all\n\n'),
    lastError: 'not_our_schema',
  },
  'somebody who takes connections and says nothing': {
    poses: (_site, place) => plainImpostor(place, () => undefined),
    lastError: 'timeout',
  },
};

systemTests(
  'row 14: somebody else in the place of a server',
  {},
  {
    'of the Primary, under the eyes of a device that has noticed nothing': async site => {
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, ALICE, /^granted online by/);
      const wrongCa = storyOf(WRONG_CA);
      await using impostor = await swap(tc1, site.primary, () => wrongCa.poses(site, site.primary));
      await expectLogin(tc1, BOB, 'granted online by secondary');
      await expectStory(tc1, impostor, wrongCa);
    },

    ...Object.fromEntries(
      Object.entries(STORIES).map(([name, story]) => [
        `of the Primary, at the start of a device: ${name}`,
        (site: Site) => meetsAtStart(site, story),
      ]),
    ),

    'of both: the device decides by itself, and says that it is offline': async site => {
      const tc1 = site.agent('tc-1');
      const { primary, secondary } = site;
      const [wrongCa, wrongKey] = [storyOf(WRONG_CA), storyOf(WRONG_KEY)];
      await using first = await wrongCa.poses(site, primary);
      await expectStory(tc1, first, wrongCa);
      await using second = await swap(tc1, secondary, () => wrongKey.poses(site, secondary));
      await expectLogin(tc1, ALICE, 'granted offline');
      await expectLogin(tc1, { ...ALICE, password: 'not-her-password' }, 'denied credentials_invalid offline');
      await expectStory(tc1, first, wrongCa);
      await expectStory(tc1, second, wrongKey, 'secondary');
      assert.equal((await tc1.status()).mode, 'offline');
    },

    'every alarm is told once, when the true servers are back': async site => {
      const tc1 = site.agent('tc-1');
      await Promise.all([site.primary.start(), site.secondary.start()]);
      await waitUntilOn(tc1, site.primary);
      await site.settle();
      // They come by two servers: in the order in which they were made, not in that of their arrival.
      const told = (await site.primary.events())
        .filter(({ type }) => type === 'alarm.tls')
        .toSorted((a, b) => a.at - b.at);
      const met = [storyOf(WRONG_CA), ...Object.values(STORIES), storyOf(WRONG_CA), storyOf(WRONG_KEY)];
      const expected = met.flatMap(({ alarm }) => alarm ?? []);
      told.forEach(({ data, origin }, at) => {
        assert.equal(origin, 'device:tc-1');
        assert.equal(data.server, at < expected.length - 1 ? 'primary' : 'secondary');
        assert.match(`${data.reason}: ${data.detail}`, expected[at] ?? /^never$/);
      });
      assert.equal(told.length, expected.length);
    },
  },
);

function storyOf(name: string): Story {
  const story = STORIES[name];
  assert.ok(story !== undefined);
  return story;
}

/** The true Primary is down. Leaves it so. */
async function meetsAtStart(site: Site, story: Story): Promise<void> {
  const tc1 = site.agent('tc-1');
  await tc1.stop();
  await using impostor = await story.poses(site, site.primary);
  assert.match(await tc1.start(), /^READY mode=online server=secondary\b/);
  await expectLogin(tc1, ALICE, 'granted online by secondary');
  await expectStory(tc1, impostor, story);
}

async function expectStory(agent: Agent, impostor: Impostor, story: Story, place = 'primary'): Promise<void> {
  const { lastError, alarm, withoutTls = false } = story;
  await agent.waitForStatus(`to say ${lastError} of the ${place}`, ({ servers }) =>
    servers.some(server => server.name === place && server.lastError === lastError),
  );
  assert.ok(impostor.visits() > 0);
  const heard = impostor.heard();
  if (alarm !== undefined && !withoutTls) assert.equal(heard.length, 0, `it was told ${heard}`);
  assert.deepEqual(findSecretsIn(heard, [ALICE.password, BOB.password]), []);
  assert.doesNotMatch(heard.toString('latin1'), /proof|salt|loginId/, 'nothing of a login');
}

/** While the device looks away, the server is killed and somebody else takes its place. */
async function swap(agent: Agent, place: Server, come: () => Promise<Impostor>): Promise<Impostor> {
  await agent.freeze();
  await place.kill();
  const impostor = await come();
  agent.thaw();
  return impostor;
}

/** Whoever is believed to be a server, and answers like one, is asked to judge logins. */
const lure: Reply = heard => (heard.startsWith('GET /readyz') ? json(200, READY) : json(401, DENIED));

const portal: Reply = () => {
  const page = '<!doctype html><title>Welcome to our guest network</title>';
  return `HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: ${page.length}\r\n\r\n${page}`;
};

const READY: ServerStatus = {
  name: 'primary',
  role: 'primary',
  state: 'serving',
  epoch: 1,
  generation: 1_000_000,
  database: { kind: 'sqlite', reachable: true, lagMs: 0 },
  connectedDevices: 0,
  journalPending: 0,
  version: '0.1.0',
  schema: 1,
};
const DENIED = { type: 'about:blank', title: 'No', status: 401, code: 'credentials_invalid' };

function json(status: number, body: unknown): string {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status} x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}
