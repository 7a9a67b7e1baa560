import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '../../../support/agent-commands.ts';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD, USER_PASSWORD } from '../../../support/directories/hospital.ts';
import type { Slapd } from '../../../support/directories/slapd.ts';
import type { Host } from '../../../support/network/network.ts';
import { runProgram } from '../../../support/programs.ts';
import { user } from '../../../support/ward.ts';
import { comeBack } from '../../failover.ts';
import type { BenchSite } from '../bench-site.ts';
import { logInThroughPam, SERVICE, writePamFolder } from './pam-stack.ts';
import { type Peer, takeTurns, USERS } from './peer.ts';
import { createView, type View } from './view.ts';

const INSTALLER = join(import.meta.dirname, '../../../../scripts/install-pam.sh');
/** An account of every Debian that nobody logs in with. */
const KIOSK = 'games';
const NAMES = `passwd: files systemd
group: files systemd
shadow: files systemd
hosts: files dns
`;

/** Where PAM asks this agent, as scripts/install-pam.sh sets it up. */
export async function viewOfAgent(folder: string, { data }: Agent): Promise<View> {
  const records = join(folder, 'records');
  mkdirSync(records, { recursive: true });
  const names = join(folder, 'nsswitch.conf');
  writeFileSync(names, NAMES);
  const services = writePamFolder(join(folder, 'pam.d'), 'machine');
  const unixAccounts = { kind: 'shared', account: KIOSK, folder: records };
  writeFileSync(join(data, 'local.json'), JSON.stringify({ unixAccounts }));
  const helper = join(folder, 'thinman-pam');
  const options = ['--data', data, '--account', KIOSK, '--helper', helper, '--pam-folder', services];
  await runProgram('sh', INSTALLER, ...options, '--keep-settings', SERVICE);
  return createView({
    ...{ name: 'view-of-agent', logs: folder },
    seen: { '/etc/nsswitch.conf': names, '/etc/pam.d': services, '/run/userdb': records },
  });
}

/** Their password is the one that they have in the directory. */
export const localUsers = () => USERS.map(name => user({ name, password: USER_PASSWORD })).join('\n---\n');

export function directory(first: Slapd, second: Slapd): string {
  const body = {
    ...{ type: 'ldap', urls: [first.ldapsUrl, second.ldapsUrl], ca: first.ca + second.ca, baseDn: BASE_DN },
    ...{ suffix: 'lab.test', bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
  };
  return JSON.stringify({ kind: 'Directory', name: 'lab', body });
}

/** `names`: of local users, or with a suffix those of a directory. */
export function ourPeer(bench: BenchSite, view: View, host: Host, names: readonly string[]): Peer {
  const { primary, secondary } = bench.site;
  const nextUser = takeTurns(names);
  return {
    login: async () => {
      const name = nextUser();
      const { ok, said, ms } = await logInThroughPam(view, name, USER_PASSWORD);
      return { ms, said, how: !ok ? 'refused' : /offline/.test(said) ? 'cache' : 'online' };
    },
    faults: {
      killed: { begin: () => primary.kill(), end: () => primary.start() },
      hung: { begin: () => primary.freeze(), end: async () => primary.thaw() },
      blackholed: { begin: () => host.dropPackets(), end: () => host.restore() },
      offline: {
        begin: () => Promise.all([primary.kill(), secondary.kill()]),
        end: async () => {
          await primary.start();
          await secondary.start();
        },
      },
    },
    comeBack: () => comeBack(bench),
  };
}
