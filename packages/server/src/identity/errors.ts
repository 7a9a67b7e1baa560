/** A certificate request that is not one, is not signed by its own key, or has a key of a kind that the site does not take. */
export class CsrRefused extends Error {
  override readonly name = 'CsrRefused';
}

/** The queue before the password hashes is full: answered as `overloaded`. `retryAfterMs`: when it may have room. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
  readonly retryAfterMs: number;
  constructor(retryAfterMs: number) {
    super('the queue before the password hashes is full');
    this.retryAfterMs = retryAfterMs;
  }
}
