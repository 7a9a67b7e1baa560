import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent, SeenLogin } from '../../test/support/agent-commands.ts';
import { brokenInvariants } from '../../test/support/invariants.ts';
import { inWords } from '../../test/support/logins.ts';
import type { PrintedObject, Server } from '../../test/support/server-commands.ts';
import { type Site, waitUntilApplied } from '../../test/support/site.ts';
import { FAST_TIMINGS } from '../../test/support/timings.ts';
import { waitFor } from '../../test/support/wait.ts';
import { CAST, type Hospital, NEW_CONNECTION, PROFILE } from './hospital.ts';
import type { Teller } from './teller.ts';

const WRONG_PASSWORD = 'not-the-password';

/** The whole story, from nothing to everything back. Throws when it cannot go on; what merely differs is in the teller's steps. */
export async function tellStory(teller: Teller, site: Site, hospital: Hospital): Promise<void> {
  await twoServers(teller, site);
  await theHospital(teller, site, hospital);
  await thinClients(teller, site);
  const people = loginsOf(site, hospital);
  await peopleLogIn(teller, people);
  await aProfileChanges(teller, site);
  await thePrimaryDies(teller, site, people);
  await theSecondaryDies(teller, site, people);
  await everythingComesBack(teller, site, people);
  await nothingWasLost(teller, site);
}

export async function twoServers({ chapter, say, step }: Teller, site: Site) {
  chapter('Two servers');
  say('Real processes, each with a folder of its own. Administration happens on the Primary alone.');
  await step('The Primary is set up and starts', 'role=primary state=serving', async () =>
    ready(await site.foundPrimary()),
  );
  await step('The Secondary joins with a token', 'role=secondary state=serving', async () =>
    ready(await site.joinSecondary()),
  );
}

export async function theHospital({ chapter, say, step }: Teller, site: Site, { files, objects }: Hospital) {
  chapter('A hospital, as it stands in examples/hospital');
  await step(`thinman apply of ${files.length} files`, `${objects.length} objects`, async () => {
    const startedMs = performance.now();
    await site.primary.administer(['apply', ...files.flatMap(file => ['-f', file])]);
    const ms = performance.now() - startedMs;
    const kinds = [...new Set(objects.map(({ kind }) => kind))];
    const stored = (await Promise.all(kinds.map(kind => site.primary.get(kind)))).flat();
    const found = objects.filter(({ kind, name }) => stored.some(is => is.kind === kind && is.name === name));
    return { happened: `${found.length} objects`, ms };
  });
  await edit(site.primary, 'SiteSettings', 'site', body => ({ ...body, agent: FAST_TIMINGS }));
  say('For this demo the waits between probes are made short (SiteSettings); what a login may cost is not.');
}

export async function thinClients({ chapter, step }: Teller, site: Site) {
  chapter('Three thin clients');
  for (const { device, group } of CAST) {
    await step(`${device} enrols into ${group} and starts`, 'mode=online server=primary', async () => {
      const agent = await site.addAgent(device, group);
      return ready(await agent.start());
    });
  }
  const minutes = CAST.map(({ screenOffAfterMinutes }) => screenOffAfterMinutes).join(', ');
  await step('Each has the policy of its place: screen off', `after ${minutes} minutes`, async () => {
    const applied = await Promise.all(
      site.agents.map(({ data }) => appliedSetting(data, 'power.screenOffAfterMinutes')),
    );
    return `after ${applied.join(', ')} minutes`;
  });
}

export async function peopleLogIn({ chapter, say, step }: Teller, people: People) {
  chapter('People log in');
  for (const { device, user } of CAST) {
    let login: SeenLogin | undefined;
    await step(`${user} logs in on ${device}`, 'granted online by primary', async () => {
      login = await people.login(device, user);
      return told(login);
    });
    say(`${user} gets: ${connections(login)}`);
  }
  await step(`A wrong password on ${CAST[0].device}`, 'denied credentials_invalid online by primary', async () =>
    told(await people.login(CAST[0].device, CAST[0].user, WRONG_PASSWORD)),
  );
}

async function aProfileChanges({ chapter, say, step }: Teller, site: Site) {
  const [{ device, user }] = CAST;
  chapter('A profile changes while people work');
  say(`The connection "${NEW_CONNECTION.name}" is added to the profile "${PROFILE}". Nobody logs in again.`);
  await step(`${device} has the change`, 'current, without a login', async () => {
    await edit(site.primary, 'Profile', PROFILE, body => ({
      ...body,
      connections: [...(body.connections as readonly unknown[]), NEW_CONNECTION],
    }));
    const applied = await waitUntilApplied(site, site.agent(device), user);
    const committed = (await site.primary.events()).findLast(({ type }) => type === 'admin.commit');
    return { happened: 'current, without a login', ms: applied.at - (committed?.at ?? Number.NaN) };
  });
  say(`That ${user} has it too shows below, when no server is left to ask.`);
}

async function thePrimaryDies({ chapter, step }: Teller, site: Site, people: People) {
  const [{ device, user }] = CAST;
  chapter('The Primary dies (kill -9)');
  await site.primary.kill();
  await step(`${user} logs in on ${device} at once`, 'granted online by secondary', async () =>
    told(await people.login(device, user)),
  );
  await step('All thin clients move by themselves', 'online on secondary', () => whereAll(site, site.secondary));
  await step('The Secondary refuses administration', `refused; names ${site.primary.url}`, async () => {
    const { code, stderr } = await site.secondary.thinman(['delete', 'User', user]);
    return code !== 0 && stderr.includes(site.primary.url)
      ? `refused; names ${site.primary.url}`
      : `exit code ${code}: ${stderr}`;
  });
}

async function theSecondaryDies({ chapter, step }: Teller, site: Site, people: People) {
  const [{ device, user }, { user: stranger }] = CAST;
  chapter('The Secondary dies too');
  await site.secondary.kill();
  let offline: SeenLogin | undefined;
  await step(`${user} logs in on ${device}`, 'granted offline', async () => {
    offline = await people.login(device, user);
    return told(offline);
  });
  await step('… with the changed profile', NEW_CONNECTION.name, async () => {
    const names = offline?.answer?.profile?.connections.map(({ name }) => name) ?? [];
    return names.find(name => name === NEW_CONNECTION.name) ?? `only ${names.join(', ')}`;
  });
  await step(`A wrong password on ${device}`, 'denied credentials_invalid offline', async () =>
    told(await people.login(device, user, WRONG_PASSWORD)),
  );
  await step(`${stranger}, never seen on ${device}`, 'denied no_cached_login offline', async () =>
    told(await people.login(device, stranger)),
  );
}

async function everythingComesBack({ chapter, step }: Teller, site: Site, people: People) {
  const [{ device }, { user: stranger }] = CAST;
  chapter('Everything comes back');
  await step('The Secondary starts again', 'role=secondary state=serving', async () =>
    ready(await site.secondary.start()),
  );
  await step('All thin clients find it by themselves', 'online on secondary', () => whereAll(site, site.secondary));
  await step('The Primary starts again', 'role=primary state=serving', async () => ready(await site.primary.start()));
  await step('All thin clients go back to it', 'online on primary', () => whereAll(site, site.primary));
  await step(`${stranger} logs in on ${device}`, 'granted online by primary', async () =>
    told(await people.login(device, stranger)),
  );
}

export async function nothingWasLost({ chapter, say, step }: Teller, site: Site) {
  chapter('Nothing was lost');
  const logins = site.history.logins.length;
  await step('Each login has arrived exactly once', `${logins} logins, ${logins} events, 0 twice`, async () => {
    await site.settle();
    const events = await site.primary.events();
    const recorded = events.filter(({ type }) => type === 'login');
    const ids = new Set(recorded.map(({ origin, id }) => `${origin} ${id}`));
    say(`${events.length} events of all kinds are in the site's database.`);
    return `${logins} logins, ${ids.size} events, ${recorded.length - ids.size} twice`;
  });
  await step('Each event says what the person saw', 'no contradiction', async () => {
    const broken = brokenInvariants(site.history, await site.primary.events());
    return broken.length === 0 ? 'no contradiction' : broken.join('; ');
  });
}

export type People = { login(device: string, user: string, password?: string): Promise<SeenLogin> };

export function loginsOf(site: Site, hospital: Hospital): People {
  return {
    login: (device, user, password = hospital.passwordOf(user)) => site.agent(device).login(user, password),
  };
}

/** `READY URL role=… state=…` without what differs from run to run. */
export const ready = (line: string) =>
  line
    .split(' ')
    .filter(word => word.includes('='))
    .join(' ');

/** In words, with the time as the person at the device had to wait for it. */
export const told = (login: SeenLogin) => ({
  happened: inWords(login),
  ms: login.answer?.elapsedMs ?? login.elapsedMs,
});

const connections = (login: SeenLogin | undefined) =>
  login?.answer?.profile?.connections.map(({ name, type }) => `${name} (${type})`).join(', ') ?? 'nothing';

/** What the device's other programs find in the file that the agent writes for them. */
function appliedSetting(data: string, key: string): Promise<unknown> {
  const file = join(data, 'applied', 'device-policy.json');
  return waitFor(file, () => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).settings[key] : undefined));
}

/** Waits for all thin clients to be on this server; where they are else, in words. */
export async function whereAll(site: Site, server: Server): Promise<string> {
  const arrived = site.agents.map((agent: Agent) =>
    agent.waitForStatus(
      `to be on the ${server.name}`,
      ({ mode, server: on }) => mode === 'online' && on?.name === server.name,
    ),
  );
  await Promise.all(arrived);
  return `online on ${server.name}`;
}

/** As an administrator does it: get, edit, apply. */
export async function edit(
  primary: Server,
  kind: string,
  name: string,
  change: (body: PrintedObject['body']) => PrintedObject['body'],
): Promise<void> {
  const [object] = await primary.get(kind, name);
  if (object === undefined) throw new Error(`examples/hospital has no ${kind} "${name}"`);
  const file = join(primary.data, '..', 'edited.yaml');
  writeFileSync(file, JSON.stringify({ ...object, body: change(object.body) }));
  await primary.administer(['apply', '-f', file]);
}
