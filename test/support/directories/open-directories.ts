import { randomUUID } from 'node:crypto';
import type { DirectoryBody } from '@thinman/protocol';
import pino from 'pino';
import { secretContext } from '../../../packages/server/src/core/sealed.ts';
import { createDirectories } from '../../../packages/server/src/directory/create-directories.ts';
import type { StoredObject } from '../../../packages/server/src/ports.ts';
import { systemClock } from '../../../packages/server/src/runtime/clock.ts';
import { SITE_ID } from '../record-fixtures.ts';

/** Refusals are told at the next of these: no test but the one about time waits for the real step. */
const QUICK_STEP_MS = 10;

export type Given = Omit<DirectoryBody, 'bindPassword'> & { readonly bindPassword?: string };

/** The directories of a site, without the site. Secrets are as they are given. */
export function openDirectories(
  given: Readonly<Record<string, Given>>,
  lines: string[] = [],
  { answerStepMs = QUICK_STEP_MS }: { readonly answerStepMs?: number } = {},
) {
  const listeners = new Set<Parameters<Parameters<typeof createDirectories>[0]['replica']['onApplied']>[0]>();
  const objectOf = (name: string, { bindPassword, ...body }: Given, generation: number): StoredObject => ({
    ...{ kind: 'Directory', name, uid: randomUUID(), generation, deleted: false },
    body: { ...body, ...(bindPassword !== undefined && { bindPassword: { secret: 'set' } }) },
    system: bindPassword === undefined ? {} : { secrets: { bindPassword } },
  });
  let objects = Object.entries(given).map(([name, body]) => objectOf(name, body, 1));
  const directories = createDirectories({
    ...{ siteId: SITE_ID, answerStepMs },
    clock: systemClock,
    random: () => 0.5,
    log: pino({ level: 'info' }, { write: line => void lines.push(line) }),
    dataKey: {
      open(sealed, context) {
        if (!objects.some(({ name }) => context === secretContext('Directory', name, 'bindPassword')))
          throw new Error(context);
        return sealed;
      },
    },
    replica: {
      list: () => objects,
      onApplied(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  });
  return {
    ...directories,
    /** As if an administrator had applied them. */
    replace(others: Readonly<Record<string, Given>>, generation = 2) {
      objects = Object.entries(others).map(([name, body]) => objectOf(name, body, generation));
      for (const listener of listeners) listener({ version: { epoch: 1, generation }, full: false, objects });
    },
    [Symbol.dispose]: directories.close,
  };
}
export type OpenDirectories = ReturnType<typeof openDirectories>;
