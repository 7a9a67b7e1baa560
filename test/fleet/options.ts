import { parseArgs } from 'node:util';
import { nameProblem, newNameProblem } from '@thinman/protocol';

/** What `npm run fleet` was asked to do. */
export type FleetOptions = {
  readonly devices: number;
  readonly token: string | undefined;
  readonly data: string | undefined;
  readonly prefix: string;
  /** Devices that start a second. */
  readonly arrivals: number;
  /** Logins a second, over all devices. */
  readonly logins: number;
  /** Devices that hang up a minute, and come back. */
  readonly disconnections: number;
  /** 0: until it is stopped. */
  readonly minutes: number;
  readonly users: number;
  readonly userPrefix: string;
  readonly json: boolean;
};

export type Asked =
  | { readonly kind: 'run' | 'print_users'; readonly options: FleetOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly why: string };

export const HELP = `Use: npm run fleet -- --devices N --token TOKEN [--data DIR] [options]

Runs N light thin clients in one process against a real site: the agent's own logic, with mutual TLS and a channel for each,
keys derived once. They fail over as real ones do. To find out what a host bears: start with 1,000, watch the live line and
the server's CPU and memory, and double.

  --devices N           how many
  --token TOKEN         enrols those that --data does not hold yet: thinman token device --uses N
  --data DIR            keeps the identities there, and uses them again; without it each run enrols anew, and needs a --prefix of its own
  --prefix NAME         names of the devices: NAME1, NAME2, … (fleet-)
  --arrivals N          devices that start a second (200)
  --logins N            logins a second, over all devices (0)
  --disconnections N    devices that hang up a minute, and come back (0)
  --minutes N           how long, after all have started; 0: until Ctrl-C (1)
  --users N             how many people log in; device n is used by person n modulo N (20)
  --user-prefix NAME    their names (fleet-user-)
  --print-users         prints these people as YAML: npm run --silent fleet -- --print-users | thinman apply -f -
  --json                the summary as one JSON object

A device takes 0.4 MB here: 4 GB for 10,000, and three open files each (ulimit -n). For more, run several with other --prefix. It needs CPU of its own: on the server's host it takes half of what it measures.
Exit codes: 0 all went well, 1 a login failed or a device was not connected at the end, 2 wrong flags, 3 nothing could be
enrolled.`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

/** What a process can hold before its own garbage collection is what is measured. */
const MAX_DEVICES = 20_000;
const MAX_RATE = 100_000;
const MAX_MINUTES = 60 * 24 * 30;

export function readOptions(argv: readonly string[]): Asked {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...{ devices: text, token: text, data: text, prefix: text, arrivals: text, logins: text },
        ...{ disconnections: text, minutes: text, users: text, 'user-prefix': text },
        ...{ 'print-users': flag, json: flag, help: { ...flag, short: 'h' } },
      },
    });
    if (values.help) return { kind: 'help' };
    const isPrint = values['print-users'];
    const options: FleetOptions = {
      devices: number('--devices', values.devices ?? (isPrint ? '1' : undefined), 1, MAX_DEVICES, true),
      token: values.token,
      data: values.data,
      prefix: values.prefix ?? 'fleet-',
      arrivals: number('--arrivals', values.arrivals ?? '200', 0.1, MAX_RATE),
      logins: number('--logins', values.logins ?? '0', 0, MAX_RATE),
      disconnections: number('--disconnections', values.disconnections ?? '0', 0, MAX_RATE),
      minutes: number('--minutes', values.minutes ?? '1', 0, MAX_MINUTES),
      users: number('--users', values.users ?? '20', 1, MAX_RATE, true),
      userPrefix: values['user-prefix'] ?? 'fleet-user-',
      json: values.json,
    };
    named('--prefix', options.prefix);
    named('--user-prefix', options.userPrefix);
    if (!isPrint && options.token === undefined && options.data === undefined) {
      throw new Error('--token or --data is needed: devices must be enrolled');
    }
    return { kind: isPrint ? 'print_users' : 'run', options };
  } catch (error) {
    return { kind: 'wrong', why: error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error) };
  }
}

/** What devices or people are called with it must be names of a site. */
function named(flagName: string, prefix: string): void {
  const longest = `${prefix}${MAX_DEVICES}`;
  const problem = nameProblem(longest) ?? newNameProblem(longest);
  if (problem !== undefined) throw new Error(`${flagName}: ${problem}`);
}

function number(name: string, given: string | undefined, least: number, most: number, isWhole = false): number {
  if (given === undefined) throw new Error(`${name} is needed`);
  const value = given.trim() === '' ? Number.NaN : Number(given);
  if (!(value >= least && value <= most) || (isWhole && !Number.isInteger(value))) {
    throw new Error(`${name} ${given} is not a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}`);
  }
  return value;
}
