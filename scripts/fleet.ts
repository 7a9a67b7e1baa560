// `npm run fleet -- --devices N --token TOKEN`: many light thin clients against a real site, to size its hosts. `--help` says all.
import { setTimeout as delay } from 'node:timers/promises';
import type { SignedStatement } from '@thinman/protocol';
import type { DeviceIdentity } from '../packages/agent/src/ports.ts';
import { enrolFleet, isOfAnotherSite, NotEnrolled } from '../test/fleet/enrolment.ts';
import { createFleet, type Fleet } from '../test/fleet/fleet.ts';
import { keepIdentities, UnusableFolder } from '../test/fleet/identities.ts';
import { live } from '../test/fleet/life.ts';
import { type FleetOptions, HELP, readOptions } from '../test/fleet/options.ts';
import { liveLine, summaryLines, summaryOf } from '../test/fleet/report.ts';
import { fleetUsers, usersAsYaml } from '../test/fleet/users.ts';

const MS_PER_MINUTE = 60_000;
/** The live line. */
const TELL_EVERY_MS = 2_000;
/** Enrolments are told of in steps of this many. */
const TELL_ENROLLED = 500;
/** After the last arrival: connections that were begun are made. */
const CONNECT_WITHIN_MS = 30_000;
/** The same for who has pressed Ctrl-C: time for those that were just about to, and no more. A second Ctrl-C ends at once. */
const INTERRUPTED_WITHIN_MS = 2_000;
const POLL_MS = 50;

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = readOptions(process.argv.slice(2));
  if (asked.kind === 'help') console.log(HELP);
  if (asked.kind === 'wrong') console.error(`fleet: ${asked.why} (see --help)`);
  if (asked.kind === 'help' || asked.kind === 'wrong') return asked.kind === 'help' ? 0 : 2;
  const { options } = asked;
  if (asked.kind === 'print_users') {
    console.log(usersAsYaml(fleetUsers(options.userPrefix, options.users)));
    return 0;
  }
  const say = options.json ? () => {} : (line: string) => console.log(`fleet: ${line}`);
  try {
    return await run(options, say);
  } catch (error) {
    if (error instanceof UnusableFolder) {
      console.error(`fleet: ${error.message}`);
      return 2;
    }
    if (!(error instanceof NotEnrolled)) throw error;
    console.error(`fleet: not enrolled: ${error.message}`);
    return 3;
  }
}

async function run(options: FleetOptions, say: (line: string) => void): Promise<number> {
  const ending = new AbortController();
  let patienceMs = CONNECT_WITHIN_MS;
  const interrupt = () => {
    patienceMs = INTERRUPTED_WITHIN_MS;
    ending.abort();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  // Nobody reads any more (`| head`): as if by Ctrl-C.
  process.stdout.on('error', interrupt);
  const { identities, signed } = await identitiesOf(options, say, ending.signal);
  const users = fleetUsers(options.userPrefix, options.users);
  const fleet = createFleet({ identities, signed, users });
  const tell = setInterval(() => say(liveLine(summaryOf(fleet))), TELL_EVERY_MS);
  let timer: NodeJS.Timeout | undefined;
  try {
    await fleet.start(options.arrivals, { signal: ending.signal });
    await waitUntilConnected(fleet, ending.signal);
    if (options.minutes > 0) timer = setTimeout(() => ending.abort(), options.minutes * MS_PER_MINUTE);
    await live(fleet, options, ending.signal);
    await waitUntilConnected(fleet, AbortSignal.timeout(patienceMs));
  } finally {
    clearTimeout(timer);
    clearInterval(tell);
  }
  const summary = summaryOf(fleet);
  await fleet.stop();
  console.log(options.json ? JSON.stringify(summary) : `fleet: at the end\n${summaryLines(summary)}`);
  const { logins, connected, devices, defects } = summary;
  return logins.failed + logins.denied + defects.length === 0 && connected === devices ? 0 : 1;
}

async function waitUntilConnected(fleet: Fleet, signal: AbortSignal): Promise<void> {
  const endMs = performance.now() + CONNECT_WITHIN_MS;
  while (!signal.aborted && performance.now() < endMs && fleet.connected() < fleet.devices.length) await delay(POLL_MS);
}

/** Those that are kept, and new ones where they are too few. */
async function identitiesOf(
  { devices, token, data, prefix }: FleetOptions,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<{ readonly identities: readonly DeviceIdentity[]; readonly signed: SignedStatement }> {
  const kept = keepIdentities(data);
  const [one] = kept.identities;
  if (token !== undefined && one !== undefined && isOfAnotherSite(token, one)) {
    throw new UnusableFolder(`--data ${data} holds devices of another site than the token's: choose another folder`);
  }
  const names = Array.from({ length: devices }, (_, at) => `${prefix}${at + 1}`);
  const known = new Map(kept.identities.map(identity => [identity.name, identity]));
  const held = names.flatMap(name => known.get(name) ?? []);
  const missing = names.filter(name => !known.has(name));
  if (missing.length === 0 && kept.signed !== undefined) return { identities: held, signed: kept.signed };
  if (token === undefined) throw new NotEnrolled(`${data} holds ${held.length} of ${devices}; the others need --token`);
  kept.makeReady();
  const beganMs = performance.now();
  let count = 0;
  const onProgress = (some: readonly DeviceIdentity[], signed: SignedStatement) => {
    kept.add(some, signed);
    count += some.length;
    if (count % TELL_ENROLLED === 0) say(`${count} of ${missing.length} enrolled`);
  };
  const enrolled = await enrolFleet(token, missing, onProgress, signal);
  say(`${missing.length} enrolled in ${Math.round(performance.now() - beganMs)} ms`);
  return { identities: [...held, ...enrolled.identities], signed: enrolled.signed };
}
