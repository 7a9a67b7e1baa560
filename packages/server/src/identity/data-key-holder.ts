import type { KeyObject } from 'node:crypto';
import type { SiteDataKey } from '../ports.ts';
import { followedDataKey, openDataKey } from './data-key.ts';

/** The site data key on a server that runs: a new one comes with its Server object when another server was removed. */
export type DataKeyHolder = {
  /** Always the one that holds now. */
  readonly dataKey: SiteDataKey;
  /** What the server's own Server object holds now. */
  follow(wrapped: unknown): void;
};

/**
 * `first`: from the identity folder; copied. A ring that somebody has made who may write into the database, and knows none of the
 * site's keys, is not taken. `save` puts one on disk before it is used.
 */
export function holdDataKey(
  first: Uint8Array,
  options: {
    readonly siteId: string;
    readonly wrappingKey: KeyObject;
    readonly save: (dataKey: Buffer) => unknown;
  },
): DataKeyHolder {
  const { siteId, wrappingKey, save } = options;
  let held: { readonly ring: Buffer; readonly key: SiteDataKey } = {
    ring: Buffer.from(first),
    key: openDataKey(first, siteId),
  };
  /** The last one that was looked into: a commit asks for the same again and again. */
  let seen: { readonly wrapped: string; readonly base: Buffer; readonly found: typeof held } | undefined;

  function lookInto(wrapped: string): typeof held {
    if (seen?.wrapped === wrapped && seen.base === held.ring) return seen.found;
    const ring = followedDataKey(held.ring, wrapped, wrappingKey, siteId);
    const found = ring === undefined ? held : { ring, key: openDataKey(ring, siteId) };
    seen = { wrapped, base: held.ring, found };
    return found;
  }

  return {
    dataKey: {
      mac: (...given) => held.key.mac(...given),
      seal: (...given) => held.key.seal(...given),
      open: (...given) => held.key.open(...given),
      wrapFor: wrappingKey => held.key.wrapFor(wrappingKey),
      renewed: () => held.key.renewed(),
      heldIn: wrapped => lookInto(wrapped).key,
    },
    follow(wrapped) {
      if (typeof wrapped !== 'string') return;
      const found = lookInto(wrapped);
      if (found === held) return;
      save(found.ring);
      held = found;
    },
  };
}
