import { CaStatus, CaStepAnswer, type CaWaiting } from '@thinman/protocol';
import { CommandError, EXIT } from '../thinman/command-error.ts';
import { askRunning } from './running-server.ts';

type Options = { readonly data: string; readonly json?: true; readonly force?: true };
export type CaStep = 'begin' | 'switch' | 'finish';

/** What a command prints, and its exit code where that is not 0. */
export type CaResult = { readonly text: string; readonly exitCode?: number };

/** Names in one line; `ca status` names all. */
const MAX_NAMED = 10;

/** `thinman-server ca status`. */
export async function caStatusCommand(options: Options): Promise<CaResult> {
  const status = await askRunning(options.data, client => client.ask(CaStatus, { path: '/ca' }));
  return { text: options.json ? json(status) : inWords(status) };
}

/** `thinman-server ca begin|switch|finish`. A step that waits for somebody is refused with exit code 1, saying for whom. */
export async function caStepCommand(step: CaStep, options: Options): Promise<CaResult> {
  const body = options.force ? { force: true } : {};
  const question = { method: 'POST', path: `/ca/${step}`, body } as const;
  const answer = await askRunning(options.data, client => client.ask(CaStepAnswer, question));
  const isRefused = answer.outcome === 'waiting' || answer.outcome === 'too_early';
  if (options.json) return { text: json(answer), ...(isRefused && { exitCode: EXIT.denied }) };
  if (isRefused) throw new CommandError(EXIT.denied, refusal(step, answer));
  return { text: `${(answer.outcome === 'already' ? ALREADY[step] : done(step, answer)).join('\n')}\n` };
}

const json = (value: unknown) => `${JSON.stringify(value)}\n`;

const ALREADY: Readonly<Record<CaStep, readonly string[]>> = {
  begin: [],
  switch: ['The next CA issues already. Look at "thinman-server ca status", then "thinman-server ca finish".'],
  finish: ['The site has one CA: there is nothing to finish.'],
};

function refusal(step: CaStep, { outcome, status }: CaStepAnswer): string {
  if (outcome === 'too_early') {
    const first = step === 'begin' ? 'finish' : step === 'finish' && status.phase === 'begun' ? 'switch' : 'begin';
    return `this step comes later: first "thinman-server ca ${first}"`;
  }
  const { waitingFor } = status;
  const named = waitingFor.slice(0, MAX_NAMED).map(({ name, why }) => `${name} (${WHY[why]})`);
  const more = waitingFor.length - named.length;
  const cost =
    step === 'switch' ? 'who comes later still finds its way' : 'those that are left behind must join or enrol anew';
  return `not yet: ${named.join(', ')}${more > 0 ? `, and ${more} more` : ''}; wait and look at "thinman-server ca status", or add --force (${cost})`;
}

const WHY: Readonly<Record<CaWaiting['why'], string>> = {
  not_linked: 'no link to it',
  behind: 'has not got the newest statement yet',
  lacks_next_ca: 'does not hold the next CA yet',
  old_certificate: 'shows a certificate of the old CA',
};

function done(step: CaStep, { status, recoveryCode = '', repeated = false }: CaStepAnswer): readonly string[] {
  switch (step) {
    case 'begin':
      return [
        `next CA pin         ${status.cas[1]?.pin ?? ''}`,
        `new recovery code   ${recoveryCode}`,
        '',
        'Keep the new recovery code apart from this host: it is shown this once. The code from before the change goes on opening the old CA key until "finish".',
        ...(repeated ? ['"begin" was run before: the recovery code that it printed then is void. Destroy it.'] : []),
        'Servers and devices now learn to trust the next CA. Look at "thinman-server ca status", then "thinman-server ca switch".',
      ];
    case 'switch':
      return [
        `CA pin  ${status.cas[0]?.pin ?? ''}`,
        'The new CA issues from now on; servers and devices renew their certificates by themselves.',
        'Look at "thinman-server ca status", then "thinman-server ca finish".',
      ];
    case 'finish':
      return [
        `CA pin  ${status.cas[0]?.pin ?? ''}`,
        'The old CA counts no more, and the old recovery code opens nothing.',
        'Give the new ca.crt, or the pin, to whoever uses "thinman login --ca" or "--pin".',
      ];
  }
}

function inWords(status: CaStatus): string {
  const { phase, cas, servers, devices, waitingFor, away } = status;
  const next = { steady: 'begin', begun: 'switch', switched: 'finish' }[phase];
  return `${[
    `phase    ${phase}`,
    ...cas.map(({ pin, role, expiresAt }) => `CA       ${pin} (${role}, until ${day(expiresAt)})`),
    ...servers.map(({ name, certificate }) => `server   ${name}: ${certificateInWords(status, certificate)}`),
    `devices  ${devices.ready} of ${devices.total} ready`,
    ...waitingFor.map(one => `waits    ${waitingInWords(one)}`),
    ...away.map(one => `away     ${waitingInWords(one)}`),
    `next     ${waitingFor.length === 0 ? '' : `wait ${UNTIL[phase]}, then `}thinman-server ca ${next}`,
  ].join('\n')}\n`;
}

/** Servers and devices do it by themselves as soon as they are on and linked. */
const UNTIL: Readonly<Record<CaStatus['phase'], string>> = {
  steady: '',
  begun: 'until those that wait above are on and hold the next CA',
  switched: 'until those that wait above are on and have renewed their certificates, or those have ended',
};

function certificateInWords({ cas }: CaStatus, certificate: CaStatus['servers'][number]['certificate']): string {
  if (certificate === null) return 'its certificate is not known';
  const role = cas.find(({ pin }) => pin === certificate.issuer)?.role ?? 'unknown';
  return `certificate of the ${role} CA, until ${day(certificate.expiresAt)}`;
}

function waitingInWords({ kind, name, why, lastHeardAt }: CaWaiting): string {
  const heard = lastHeardAt === null ? '' : `, last heard of on ${day(lastHeardAt)}`;
  return `${kind} ${name}: ${WHY[why]}${heard}`;
}

const day = (atMs: number) => new Date(atMs).toISOString().slice(0, 'YYYY-MM-DD'.length);
