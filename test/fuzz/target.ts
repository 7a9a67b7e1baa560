import type { Arbitrary } from 'fast-check';

/** Something that takes input from outside. */
export type Target<Input> = {
  readonly name: string;
  /** Of a whole run: by what an input costs, and by how much there is behind it. */
  readonly share: number;
  readonly inputs: Arbitrary<Input>;
  open(): Promise<OpenTarget<Input>>;
};

export type OpenTarget<Input> = {
  /** Gives it this input. What was wrong with what it did, or undefined. */
  check(input: Input): Promise<string | undefined>;
  close(): Promise<void>;
};
