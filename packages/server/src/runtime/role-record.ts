import type { ServerRole } from '@thinman/protocol';
import type { SourceOfRecord } from '../ports.ts';

export type RoleRecord = SourceOfRecord & {
  /** From now on it is behind another URL. */
  reopen(): Promise<void>;
};

/** The source of record as the role allows: a Primary writes, a Secondary never does. The role may change while it is open. */
export function createRoleRecord(open: (readOnly: boolean) => SourceOfRecord, role: () => ServerRole): RoleRecord {
  let reading: SourceOfRecord | undefined;
  let writing: SourceOfRecord | undefined;
  const toRead = () => (reading ??= open(true));
  const toWrite = () => (writing ??= open(false));
  const now = () => (role() === 'primary' ? toWrite() : toRead());

  async function close(): Promise<void> {
    const opened = [reading, writing];
    [reading, writing] = [undefined, undefined];
    await Promise.all(opened.map(record => record?.close()));
  }

  return {
    get kind() {
      return now().kind;
    },
    initialise: (...call) => now().initialise(...call),
    site: () => now().site(),
    feed: position => now().feed(position),
    lacks: position => now().lacks(position),
    commit: (by, work) => now().commit(by, work),
    raiseEpoch: (raise, work) => now().raiseEpoch(raise, work),
    lastCommitOf: epoch => now().lastCommitOf(epoch),
    line: () => now().line(),
    obstacleToWriting: () => now().obstacleToWriting(),
    history: (...call) => now().history(...call),
    file: (...call) => now().file(...call),
    reports: (...call) => now().reports(...call),
    reportTally: (...call) => now().reportTally(...call),
    commits: (...call) => now().commits(...call),
    changesBetween: (...call) => now().changesBetween(...call),
    changedSince: (...call) => now().changedSince(...call),
    compact: (...call) => now().compact(...call),
    storeEvents: events => now().storeEvents(events),
    events: query => now().events(query),
    lastHeardFrom: origins => now().lastHeardFrom(origins),
    connections: () => now().connections(),
    reopen: close,
    close,
  };
}
