import { type ServerReport, visible } from '@thinman/protocol';
import { describeMissing } from '../../core/missing.ts';
import { describeReason } from '../../core/serving-state.ts';
import { type Check, fail, ok, warn } from './check.ts';

/** What the running server says of itself. */
export function checkServer(status: ServerReport): readonly Check[] {
  return [state(status), journal(status), ...links(status)];
}

export function notRunning(dataDir: string): Check {
  return warn('server', 'it does not run', `thinman-server start --data ${dataDir}`);
}

function state({ name, role, state, why, missing }: ServerReport): Check {
  const found = `${name} (${role}) is ${state}`;
  if (state === 'serving') return ok('server', found);
  const lacks = missing === undefined || missing.count === 0 ? '' : `; ${describeMissing(missing)}`;
  const said = `${found}: ${why === undefined ? 'it does not say why' : describeReason(why)}${lacks}`;
  const advice = 'look at the checks below, at its log, and at docs/operations.md, "What the states mean"';
  return state === 'unavailable' ? fail('server', said, advice) : warn('server', said, advice);
}

function journal({ journal, journalPending }: ServerReport): Check {
  const found = `${journalPending} events wait to be handed on`;
  if (journal === undefined) return ok('journal', found);
  if (journal.path === 'nowhere') return fail('journal', 'events can be written down nowhere', 'make room on the disk');
  if (journal.path === 'direct')
    return warn('journal', 'it takes no events, they go straight on', 'make room on the disk');
  if (2 * journal.pendingBytes > journal.limitBytes) {
    return warn('journal', `${found}: more than half of what may wait`, 'bring the Primary and its database back');
  }
  return ok('journal', found);
}

function links({ link, secondaries }: ServerReport): readonly Check[] {
  if (link !== undefined) {
    if (link.connected) return [ok('link', `to the Primary ${link.server}`)];
    return [
      warn('link', `none to the Primary ${link.server}`, 'look whether it runs, and at the network between the two'),
    ];
  }
  return (secondaries ?? []).map(({ name, linked, missing }) => {
    const said = `Secondary ${visible(name)}`;
    if (!linked) return warn('link', `none to the ${said}`, 'look whether it runs, and at the network between the two');
    if (missing.count === 0) return ok('link', `to the ${said}, which has everything`);
    return warn(
      'link',
      `to the ${said}: ${describeMissing(missing)}`,
      'look at its database and its replication there',
    );
  });
}
