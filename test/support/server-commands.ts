import { join } from 'node:path';
import { EventPage, MAX_PAGE_SIZE, type RecordedEvent, ServerReport } from '@thinman/protocol';
import type { TSchema } from 'typebox';
import { createDaemon, type Daemon } from './daemon.ts';
import { askSocket } from './local-socket.ts';
import type { Finished, Processes, StartOptions } from './processes.ts';
import { waitFor } from './wait.ts';

/** An object as `thinman get -o json` gives it. */
export type PrintedObject = {
  readonly kind: string;
  readonly name: string;
  readonly generation: number;
  readonly body: Readonly<Record<string, unknown>>;
};

/** One ThinMan server: a running `thinman-server`, and administration through the socket in its data folder. */
export type Server = Daemon & {
  readonly data: string;
  /** Where devices reach it. */
  readonly url: string;
  status(): Promise<ServerReport>;
  /** `thinman-server status`, as people read it. */
  ownStatus(): Promise<Finished>;
  waitForStatus(what: string, wanted: (status: ServerReport) => boolean, withinMs?: number): Promise<ServerReport>;
  /** `thinman-server ARGS --data DIR` beside the server, or while it does not run. */
  tend(args: readonly string[], input?: string): Promise<Finished>;
  /** `thinman ARGS --data DIR` as it ended. */
  thinman(args: readonly string[], input?: string): Promise<Finished>;
  /** The same, where anything but success is an error. */
  administer(args: readonly string[], input?: string): Promise<string>;
  get(kind: string, name?: string): Promise<readonly PrintedObject[]>;
  /** All events that the site has, oldest first. */
  events(): Promise<readonly RecordedEvent[]>;
};

/** `options`: of the server itself, not of the commands that ask it. */
export function createServerCommands(
  processes: Processes,
  name: string,
  data: string,
  url: string,
  options: Pick<StartOptions, 'environment' | 'inside'> = {},
): Server {
  const thinman: Server['thinman'] = (args, input) =>
    processes.run('thinman', [...args, '--data', data], input === undefined ? {} : { input });
  const administer: Server['administer'] = async (args, input) => {
    const { code, stdout, stderr } = await thinman(args, input);
    if (code !== 0) throw new Error(`thinman ${args[0]} on ${name} ended with ${code}: ${stderr}`);
    return stdout;
  };
  const get: Server['get'] = async (kind, name) =>
    JSON.parse(await administer(['get', kind, ...(name === undefined ? [] : [name]), '-o', 'json'])) as PrintedObject[];

  /** What its commands print with `--json`: asked too often for a process each time. */
  const askIfThere = <S extends TSchema>(path: string, schema: S) =>
    askSocket(join(data, 'admin.sock'), `/v1/admin/${path}`, schema);
  const ask = async <S extends TSchema>(path: string, schema: S) => {
    const answer = await askIfThere(path, schema);
    if (answer === undefined) throw new Error(`${name} does not answer ${path}`);
    return answer;
  };
  const events = async () => {
    const newestFirst: RecordedEvent[] = [];
    for (let before: string | null = ''; before !== null; ) {
      const after: string = before === '' ? '' : `&before=${before}`;
      const page: EventPage = await ask(`events?limit=${MAX_PAGE_SIZE}${after}`, EventPage);
      newestFirst.push(...page.items.map(({ sequence: _sequence, ...event }) => event));
      before = page.next;
    }
    return newestFirst.toReversed();
  };

  return {
    ...createDaemon(processes, name, 'thinman-server', ['start', '--data', data], options),
    data,
    url,
    status: () => ask('status', ServerReport),
    ownStatus: () => processes.run('thinman-server', ['status', '--data', data]),
    waitForStatus: (what, wanted, withinMs) => {
      let last: ServerReport | undefined;
      return waitFor(
        `${name}: ${what}`,
        async () => {
          last = await askIfThere('status', ServerReport);
          return last !== undefined && wanted(last) ? last : undefined;
        },
        withinMs,
        () => JSON.stringify(last) ?? 'nobody answers',
      );
    },
    tend: (args, input) =>
      processes.run('thinman-server', [...args, '--data', data], input === undefined ? {} : { input }),
    thinman,
    administer,
    get,
    events,
  };
}
