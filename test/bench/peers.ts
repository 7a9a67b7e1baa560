import { setTimeout as wait } from 'node:timers/promises';
import { createNetwork } from '../support/network/network.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { startBenchSite } from './support/bench-site.ts';
import { directory, localUsers, ourPeer, viewOfAgent } from './support/peers/our-peer.ts';
import { FAULTS, type FaultName, type How, type Peer, type PeerLogin, USERS } from './support/peers/peer.ts';
import { startSssd } from './support/peers/sssd.ts';
import { sssdPeer, startDirectoryServer } from './support/peers/sssd-peer.ts';
import { median, spreadOf } from './support/statistics.ts';

type Rounds = { readonly normal: number; readonly faults: number };
/** SSSD takes seconds in some faults, and is started anew after each. */
const ROUNDS: Readonly<Record<Size, Rounds>> = {
  small: { normal: 1, faults: 1 },
  normal: { normal: 5, faults: 3 },
  full: { normal: 30, faults: 10 },
};
/** After the first login in a fault. */
const STEADY_LOGINS = 4;

/** A directory's user is granted first, and then a key is derived for the cache; the next login would end that. */
const CACHED_LATER_MS = 2_000;

type PeerName = 'ours' | 'directory' | 'sssd';
/** By situation: `normal`, `killed`, `killed.steady`, … */
type Measured = Record<string, PeerLogin[]>;

async function run({ size, folder, processes, say }: BenchOptions): Promise<readonly Figure[]> {
  await using network = await createNetwork(['primary', 'secondary', 'ldap-1', 'ldap-2']);
  const host = network.host;
  const hosts = { primary: host('primary'), secondary: host('secondary') };
  await using first = await startDirectoryServer(`${folder}/ldap-1`, host('ldap-1'));
  await using backup = await startDirectoryServer(`${folder}/ldap-2`, host('ldap-2'));
  const bench = await startBenchSite({ folder: `${folder}/site`, processes, hosts });
  await bench.site.apply(`${localUsers()}\n---\n${directory(first, backup)}`);
  await bench.site.settle();
  await using view = await viewOfAgent(`${folder}/agent`, bench.device);
  await using sssd = await startSssd(`${folder}/sssd`, first, backup, 'u0');
  const suffixed = USERS.map(name => `${name}@lab.test`);
  const peers: Readonly<Record<PeerName, Peer>> = {
    ours: ourPeer(bench, view, hosts.primary, USERS),
    directory: ourPeer(bench, view, hosts.primary, suffixed),
    sssd: sssdPeer(sssd, host('ldap-1'), first, backup),
  };
  const measured: Readonly<Record<PeerName, Measured>> = { ours: {}, directory: {}, sssd: {} };
  const names = Object.keys(peers) as PeerName[];
  const note = (name: PeerName, situation: string, login: PeerLogin) => {
    const noted = measured[name][situation] ?? [];
    measured[name][situation] = [...noted, login];
    if (login.how === 'refused') say(`${name}, ${situation}: a right password was refused: ${login.said.trim()}`);
  };

  for (const name of names) {
    await peers[name].comeBack();
    // Into the caches: everybody has logged in here before.
    for (const user of USERS) {
      await isOnline(peers[name].login(), `${name}: the first login of ${user}`);
      if (name === 'directory') await wait(CACHED_LATER_MS);
    }
  }
  for (let round = 0; round < ROUNDS[size].normal; round++) {
    for (const name of names) note(name, 'normal', await isOnline(peers[name].login(), name));
  }
  for (let round = 0; round < ROUNDS[size].faults; round++) {
    for (const fault of FAULTS) {
      for (const name of names) {
        await duringFault(peers[name], fault, (situation, login) => note(name, situation, login));
      }
    }
    say(`round ${round + 1} of ${ROUNDS[size].faults}`);
  }
  return (['ours', 'directory'] as const).flatMap(name => figuresOf(name, measured[name], measured.sssd));
}

async function isOnline(login: Promise<PeerLogin>, what: string): Promise<PeerLogin> {
  const { how, said } = await login;
  if (how !== 'online') throw new Error(`${what}: "${how}" in place of "online": ${said}`);
  return login;
}

async function duringFault(peer: Peer, fault: FaultName, note: (situation: string, login: PeerLogin) => void) {
  await peer.faults[fault].begin();
  note(fault, await peer.login());
  for (let login = 0; login < STEADY_LOGINS; login++) note(`${fault}.steady`, await peer.login());
  await peer.faults[fault].end();
  await peer.comeBack();
}

function figuresOf(name: 'ours' | 'directory', own: Measured, sssd: Measured): Figure[] {
  return Object.entries(own).map(([situation, logins]) => {
    const peers = sssd[situation] ?? [];
    const [value, floor] = [median(logins.map(({ ms }) => ms)), median(peers.map(({ ms }) => ms))];
    return figure({
      ...{ name: `peers.${name === 'ours' ? '' : `${name}.`}${situation}`, value, unit: 'ms', floor },
      target: '≤ 1 × SSSD',
      met: value <= floor && logins.every(({ how }) => how !== 'refused'),
      spread: `${inWords(logins)}; SSSD ${inWords(peers)}`,
    });
  });
}

/** `35.1–40.2 (n=5), 2 cache`: a login that was not answered by a server is told. */
function inWords(logins: readonly PeerLogin[]): string {
  const count = (how: How) => logins.filter(login => login.how === how).length;
  const others = (['cache', 'refused'] as const).filter(how => count(how) > 0).map(how => `, ${count(how)} ${how}`);
  return `${spreadOf(
    logins.map(({ ms }) => ms),
    0,
  )}${others.join('')}`;
}

export const peers: Bench = {
  name: 'peers',
  about: 'a login through PAM, normal and in faults, beside one by SSSD with two LDAP servers',
  run,
};
