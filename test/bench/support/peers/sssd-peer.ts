import { USER_PASSWORD, userDn } from '../../../support/directories/hospital.ts';
import { type Slapd, startSlapd } from '../../../support/directories/slapd.ts';
import type { Host } from '../../../support/network/network.ts';
import { logInThroughPam } from './pam-stack.ts';
import { type Peer, takeTurns, USERS } from './peer.ts';
import type { Sssd } from './sssd.ts';

const FIRST_UID = 20_000;
const ATTEMPTS = 20;

/** A directory server on a host of its own, whose users are Unix users too. */
export async function startDirectoryServer(folder: string, host: Host): Promise<Slapd> {
  const slapd = await startSlapd(folder, { name: host.name, host, users: USERS.length });
  await slapd.modify(USERS.map(unixUser).join('\n'));
  return slapd;
}

const unixUser = (uid: string, at: number) => `dn: ${userDn(uid)}
changetype: modify
add: objectClass
objectClass: posixAccount
-
add: uidNumber
uidNumber: ${FIRST_UID + at}
-
add: gidNumber
gidNumber: ${FIRST_UID}
-
add: homeDirectory
homeDirectory: /home/${uid}
`;

export function sssdPeer(sssd: Sssd, host: Host, first: Slapd, backup: Slapd): Peer {
  const nextUser = takeTurns(USERS);
  const login = async () => {
    const name = nextUser();
    const who = `uid=${name},`;
    const before = first.binds(who) + backup.binds(who);
    const atFirst = first.binds(who);
    const { ok, said, ms } = await logInThroughPam(sssd.view, name, USER_PASSWORD);
    const isOnline = first.binds(who) + backup.binds(who) > before;
    return {
      ms,
      said,
      how: !ok ? 'refused' : isOnline ? 'online' : 'cache',
      byFirst: first.binds(who) > atFirst,
    } as const;
  };
  return {
    login,
    faults: {
      killed: { begin: () => first.process().kill(), end: () => first.start() },
      hung: { begin: () => first.process().freeze(), end: async () => first.process().signal('SIGCONT') },
      blackholed: { begin: () => host.dropPackets(), end: () => host.restore() },
      offline: {
        begin: () => Promise.all([first.process().kill(), backup.process().kill()]),
        end: () => Promise.all([first.start(), backup.start()]),
      },
    },
    comeBack: async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        await sssd.restart(nextUser());
        if ((await login()).byFirst) return;
      }
      throw new Error('SSSD does not come back to its first server: the machine is too busy');
    },
  };
}
