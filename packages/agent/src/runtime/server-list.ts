import type { SiteStatement, StatementServer } from '@thinman/protocol';
import type { AgentState } from '../core/state.ts';
import { type AddressStore, createAddresses } from './addresses.ts';

export type ServerList = {
  /** The newest statement that is valid. */
  statement(): SiteStatement;
  /** At the address that is tried now. */
  server(name: string): StatementServer | undefined;
  primary(): StatementServer | undefined;
  adopt(statement: SiteStatement): void;
  /** A channel is being opened to where this server is tried now. */
  opening(channel: number, name: string): void;
  /** Who is connected, or whether nobody is, may have changed. */
  follow(connectivity: AgentState['connectivity']): void;
};

const NO_ADDRESSES: AddressStore = { load: () => ({}), save() {} };

/** Who the servers are, and where each is tried. `onMoved`: connections to where they were tried before are of no use. */
export function createServerList(
  first: SiteStatement,
  store: AddressStore = NO_ADDRESSES,
  onMoved: () => void,
): ServerList {
  let statement = first;
  const addresses = createAddresses(statement, store);
  let servers = addresses.servers();
  /** With which each channel was opened: a list that came since says nothing of it. */
  const channelUrls = new Map<number, string>();
  let wasAllSilent = false;

  function move(): void {
    servers = addresses.servers();
    onMoved();
  }

  return {
    statement: () => statement,
    server: name => servers.get(name),
    primary: () => [...servers.values()].find(({ role }) => role === 'primary'),
    adopt(newer) {
      statement = newer;
      addresses.adopt(newer);
      move();
    },
    opening(channel, name) {
      const url = servers.get(name)?.url;
      if (url !== undefined) channelUrls.set(channel, url);
    },
    /** A list with new addresses is tried: while nobody answers there, also where somebody did. */
    follow(connectivity) {
      if (connectivity.kind === 'connected') {
        const url = channelUrls.get(connectivity.channel);
        if (url === undefined) return;
        addresses.answered(connectivity.server, url);
        channelUrls.clear();
      }
      const isAllSilent = connectivity.kind === 'disconnected' && connectivity.search.kind === 'waiting';
      if (isAllSilent && !wasAllSilent && addresses.allSilent()) move();
      wasAllSilent = isAllSilent;
    },
  };
}
