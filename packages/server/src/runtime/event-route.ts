import type { RecordedEvent, ServerRole } from '@thinman/protocol';
import type { Delivery } from '../journal/drain.ts';
import type { LinkClient } from '../link/link-client.ts';

/** Where a server's events go by its role, and the link that a Secondary holds for it. */
export type EventRoute = {
  deliver(events: readonly RecordedEvent[]): Promise<Delivery>;
  /** The role may have changed: a Secondary has a link, a Primary none. */
  follow(): void;
  link(): LinkClient | undefined;
  close(): void;
};

export function createEventRoute(
  role: () => ServerRole,
  store: (events: readonly RecordedEvent[]) => Promise<void>,
  open: () => LinkClient,
): EventRoute {
  let link: LinkClient | undefined;
  return {
    async deliver(events) {
      if (role() === 'secondary') return (await link?.deliver(events)) === 'stored' ? 'stored' : 'later';
      await store(events);
      // Another one was promoted meanwhile: what this database took counts no more, and goes to the other one.
      return role() === 'primary' ? 'stored' : 'later';
    },
    follow() {
      if (role() === 'secondary') link ??= open();
      else {
        link?.close();
        link = undefined;
      }
    },
    link: () => link,
    close: () => link?.close(),
  };
}
