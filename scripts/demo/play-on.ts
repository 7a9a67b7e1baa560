import { join } from 'node:path';
import type { Site } from '../../test/support/site.ts';
import { CAST, type Hospital, PROFILE } from './hospital.ts';

const BIN = join(import.meta.dirname, '..', '..', 'node_modules', '.bin');

/** What to paste into another terminal while everything runs. */
export function howToPlayOn(site: Site, hospital: Hospital): string {
  const [{ device, user }, { user: other }] = CAST;
  const agent = site.agent(device);
  const login = (who: string) =>
    `echo '${hospital.passwordOf(who)}' | thinman-agent login --data ${agent.data} --user ${who} --password-stdin`;
  return `
Everything runs on, with what the story has left. In another terminal:

  export PATH="${BIN}:$PATH"

  ${login(user)}
  ${login(other)} --json
  thinman-agent status --data ${agent.data}

  thinman get User --data ${site.primary.data}
  thinman get Event --data ${site.primary.data}
  thinman effective --device ${device} --user ${user} --data ${site.primary.data}
  thinman get Profile ${PROFILE} -o yaml --data ${site.primary.data} > profile.yaml     # edit, then:
  thinman apply -f profile.yaml --data ${site.primary.data}

  kill -9 ${site.primary.process().pid}        # the Primary; log in again, then kill the Secondary: ${site.secondary.process().pid}
  thinman-server start --data ${site.primary.data}      # brings it back; end it with Ctrl-C

Ctrl-C here ends it all and removes ${site.folder}.`;
}
