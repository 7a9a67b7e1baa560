import type { SiteStatement, StatementServer } from '@thinman/protocol';

/** Where servers last answered: URL by the hash of the server's key. */
export type AddressStore = {
  load(): Readonly<Record<string, string>>;
  save(urls: Readonly<Record<string, string>>): void;
};

export type Addresses = {
  /** By name, with the addresses that are tried now. */
  servers(): ReadonlyMap<string, StatementServer>;
  /** The newest statement: who is a server is as it says, at once. */
  adopt(statement: SiteStatement): void;
  /** A server said hello at this address. */
  answered(name: string, url: string): void;
  /** No server answered: the other addresses are tried next. False: there are no others. */
  allSilent(): boolean;
};

/**
 * A list of servers with new addresses is tried: while no server answers at those that it names, they are asked in turn where
 * they last answered. Trust is as the statement says, whatever the address: a key that it does not name is no server.
 */
export function createAddresses(first: SiteStatement, store: AddressStore): Addresses {
  let { servers } = first;
  let known = store.load();
  let isTryingKnown = false;

  const lastOf = ({ keyHash }: StatementServer) => known[keyHash];
  const hasOther = () => servers.some(server => (lastOf(server) ?? server.url) !== server.url);

  return {
    servers: () =>
      new Map(
        servers.map(server => [server.name, { ...server, url: (isTryingKnown && lastOf(server)) || server.url }]),
      ),
    adopt(statement) {
      servers = statement.servers;
      isTryingKnown = false;
    },
    answered(name, url) {
      const server = servers.find(each => each.name === name);
      if (server === undefined || known[server.keyHash] === url) return;
      const keys = new Set(servers.map(({ keyHash }) => keyHash));
      known = Object.fromEntries(Object.entries({ ...known, [server.keyHash]: url }).filter(([key]) => keys.has(key)));
      store.save(known);
    },
    allSilent() {
      if (!isTryingKnown && !hasOther()) return false;
      isTryingKnown = !isTryingKnown;
      return true;
    },
  };
}
