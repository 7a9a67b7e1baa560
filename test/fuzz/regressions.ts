/** Inputs that were answered wrongly once, as `npm run fuzz` prints them: each is given to its target in every test run. */
export const REGRESSIONS: readonly { readonly target: string; readonly input: unknown }[] = [];
