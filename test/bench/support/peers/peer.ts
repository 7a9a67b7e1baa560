/** What happens to servers of a peer. `offline`: to both of them. */
export const FAULTS = ['killed', 'hung', 'blackholed', 'offline'] as const;
export type FaultName = (typeof FAULTS)[number];

export type Fault = { begin(): Promise<unknown>; end(): Promise<unknown> };

/** Who answered: a server, the cache, or the person was refused although the password was right. */
export type How = 'online' | 'cache' | 'refused';
/** `said`: what the person read. */
export type PeerLogin = { readonly ms: number; readonly how: How; readonly said: string };

/** One way to log in by PAM with two servers behind it, for `peers.ts`. */
export type Peer = {
  /** As another of its users than the last time: a thin client of a ward. */
  login(): Promise<PeerLogin>;
  readonly faults: Readonly<Record<FaultName, Fault>>;
  /** After a fault: started anew, with its cache, on its first server, which has answered a login. */
  comeBack(): Promise<unknown>;
};

/** Turns through them: nobody logs in twice within the seconds for which SSSD takes a user for known. */
export const USERS = Array.from({ length: 12 }, (_, at) => `u${at}`);

export function takeTurns<T>(all: readonly T[]): () => T {
  let turn = 0;
  return () => {
    const taken = all[turn++ % all.length];
    if (taken === undefined) throw new Error('nobody takes turns');
    return taken;
  };
}
