import { type DirectoryStanding, visible } from '@thinman/protocol';
import { moment, table } from './table.ts';

const UNUSABLE = 'cannot be used: apply it anew';

/** A line for each directory, with what is left out of it. */
export function directoryInWords({ name, servers, unusable }: DirectoryStanding): string {
  if (unusable === true) return `${visible(name)} ${UNUSABLE}`;
  const open = servers.filter(({ breaker }) => breaker === 'open');
  if (open.length === 0) return `${visible(name)}, ${servers.length} ${servers.length === 1 ? 'server' : 'servers'}`;
  const lines = open.map(server => `${visible(server.url)} ${standingOf(server)}${why(server)}`);
  return `${visible(name)}, ${open.length} of ${servers.length} left out: ${lines.join('; ')}`;
}

/** A line for each server. */
export function directoryTable(directories: readonly DirectoryStanding[]): string {
  const rows = directories.flatMap(({ name, servers, unusable }) => {
    if (unusable === true) return [[name, '', UNUSABLE, '']];
    return servers.map(server => [name, server.url, standingOf(server), server.lastError ?? '']);
  });
  return table(['DIRECTORY', 'SERVER', 'STATE', 'LAST ERROR'], rows);
}

type Server = DirectoryStanding['servers'][number];

function standingOf({ breaker, since }: Server): string {
  const from = since === null ? '' : ` since ${moment(since)}`;
  return breaker === 'closed' ? `up${from}` : `left out${from}`;
}

const why = ({ lastError }: Server) => (lastError === null ? '' : ` (${visible(lastError)})`);
