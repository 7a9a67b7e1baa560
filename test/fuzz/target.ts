import type { Arbitrary } from 'fast-check';

/** Something that takes input from outside. */
export type Target<Input> = {
  readonly name: string;
  /** Routes and channels have the inputs of a run among them; `parts`: how many of them, by what an input costs and meets. */
  readonly parts?: number;
  /** What is fuzzed beside them, the parsers behind and the answers to a device, on top of these: per cent. */
  readonly onTop?: number;
  readonly inputs: Arbitrary<Input>;
  open(): Promise<OpenTarget<Input>>;
};

export type OpenTarget<Input> = {
  /** Gives it this input. What was wrong with what it did, or undefined. */
  check(input: Input): Promise<string | undefined>;
  close(): Promise<void>;
};
