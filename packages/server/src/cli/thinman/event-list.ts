import { DEFAULT_PAGE_SIZE, EventPage, MAX_PAGE_SIZE, type RecordedEvent } from '@thinman/protocol';
import type { AdminClient } from './admin-client.ts';
import { type Format, toYaml } from './format.ts';
import { moment, table } from './table.ts';

export type EventOptions = {
  readonly format: Format;
  /** At most so many. Default: a table has one page; JSON and YAML are for programs, and have all. */
  readonly limit?: number;
  readonly type?: string;
  readonly user?: string;
};

type Print = (text: string) => void;

/** `thinman get Event`: newest first, printed page by page: a site has millions. */
export async function printEvents(client: AdminClient, options: EventOptions, print: Print): Promise<void> {
  switch (options.format) {
    case 'table':
      return printTable(client, options, print);
    case 'json':
      return printJson(client, options, print);
    case 'yaml': {
      let isFirst = true;
      for await (const events of pages(client, options)) {
        print(`${isFirst ? '' : '---\n'}${toYaml(events.map(asObject))}`);
        isFirst = false;
      }
    }
  }
}

/** A commit of a thousand objects is one event; all of it is in `-o yaml`. */
const MAX_DATA_CHARS = 240;

const brief = (text: string) => (text.length > MAX_DATA_CHARS ? `${text.slice(0, MAX_DATA_CHARS)}…` : text);

async function printTable(client: AdminClient, options: EventOptions, print: Print): Promise<void> {
  const limit = options.limit ?? DEFAULT_PAGE_SIZE;
  const events: RecordedEvent[] = [];
  // One more says whether there are more.
  for await (const page of pages(client, { ...options, limit: limit + 1 })) events.push(...page);
  const rows = events
    .slice(0, limit)
    .map(({ at, type, user, origin, data }) => [moment(at), type, user ?? '', origin, brief(JSON.stringify(data))]);
  print(table(['AT', 'TYPE', 'USER', 'ORIGIN', 'DATA'], rows));
  if (options.limit === undefined && events.length > limit) {
    print(`the newest ${limit}; more with --limit N, all with -o json\n`);
  }
}

/** The same text as one `JSON.stringify` of them all. */
async function printJson(client: AdminClient, options: EventOptions, print: Print): Promise<void> {
  let isFirst = true;
  for await (const events of pages(client, options)) {
    for (const event of events) {
      const object = JSON.stringify(asObject(event), null, 2).replaceAll('\n', '\n  ');
      print(`${isFirst ? '[\n' : ',\n'}  ${object}`);
      isFirst = false;
    }
  }
  print(isFirst ? '[]\n' : '\n]\n');
}

const asObject = (event: RecordedEvent) => ({ kind: 'Event', name: event.id, generation: 0, body: event });

/** Pages that are not empty. */
async function* pages(client: AdminClient, { limit = Number.POSITIVE_INFINITY, type, user }: EventOptions) {
  let left = limit;
  for (let before: string | null = ''; before !== null && left > 0; ) {
    const query = new URLSearchParams({
      limit: String(Math.min(MAX_PAGE_SIZE, left)),
      ...(before === '' ? {} : { before }),
      ...(type === undefined ? {} : { type }),
      ...(user === undefined ? {} : { user }),
    });
    const page: EventPage = await client.ask(EventPage, { path: `/events?${query}` });
    const events: readonly RecordedEvent[] = page.items.map(({ sequence: _sequence, ...event }) => event);
    if (events.length > 0) yield events;
    left -= events.length;
    before = page.next;
  }
}
