import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseAllDocuments } from 'yaml';

const FOLDER = join(import.meta.dirname, '..', '..', 'examples', 'hospital');

/** One document of `examples/hospital`. */
export type ExampleObject = {
  readonly kind: string;
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
};

/** The files of the example site, in the order in which they are applied: what the demo does on it anybody can do. */
export type Hospital = {
  readonly files: readonly string[];
  readonly objects: readonly ExampleObject[];
  /** As the file has it. */
  passwordOf(user: string): string;
};

export function readHospital(files: readonly string[]): Hospital {
  const objects = files.flatMap(file =>
    parseAllDocuments(readFileSync(file, 'utf8')).map(document => document.toJS() as ExampleObject),
  );
  return {
    files: files.map(file => relative(process.cwd(), file)),
    objects,
    passwordOf: name => {
      const password = objects.find(object => object.kind === 'User' && object.name === name)?.body.password;
      if (typeof password !== 'string') throw new Error(`${FOLDER} has no user "${name}" with a password`);
      return password;
    },
  };
}

/**
 * Who works where. Everybody is in the example files, and so is what their thin clients' policies say; the first one is followed
 * through the whole story.
 */
export const CAST = [
  { device: 'ward-3-desk', group: 'ward-3', user: 'anna', screenOffAfterMinutes: 10 },
  { device: 'ward-4-desk', group: 'ward-4', user: 'bruno', screenOffAfterMinutes: 10 },
  { device: 'reception-desk', group: 'reception', user: 'carla', screenOffAfterMinutes: 5 },
] as const;

/** The profile that is changed in the story (the first person's), and what is added to it. */
export const PROFILE = 'nurses';
export const NEW_CONNECTION = {
  name: 'pharmacy',
  type: 'web',
  url: 'https://pharmacy.hospital.example/orders',
} as const;
