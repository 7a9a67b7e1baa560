// @ts-check
// A code by telephone, where no server can be reached and the cached login is not taken any more (docs/decisions/0058).
import { ask, busyButton, denial, fill, part, refuse, say, words } from './parts.js';

const MINUTE_MS = 60_000;
/** How often the time that is left is said. */
const LOOK_MS = 5_000;

const form = part('emergency', HTMLFormElement);
const code = part('code', HTMLInputElement);
const left = part('code-left', HTMLElement);
const busy = busyButton(part('code-now', HTMLButtonElement));

/** @typedef {{ accepted(user: string): void; closed(): void }} Outcome */
/** @type {{ user: string; outcome: Outcome } | undefined} */
let who;
/** What is shown. @type {{ challenge: string; untilMs: number; triesLeft: number } | undefined} */
let shown;

export const isCalling = () => who !== undefined;

/** @param {string} user @param {Outcome} outcome */
export async function openEmergency(user, outcome) {
  who = { user, outcome };
  shown = undefined;
  code.value = '';
  if (await look()) {
    outcome.closed();
    code.focus();
  } else close();
}

function dropEmergency() {
  who = undefined;
  shown = undefined;
  code.value = '';
}

function close() {
  const outcome = who?.outcome;
  dropEmergency();
  outcome?.closed();
}

/** Shows the challenge as the agent has it; false: there is nothing to type a code for. */
async function look() {
  if (who === undefined) return false;
  const { user, outcome } = who;
  try {
    const { ok, body } = await ask('/v1/emergency', { user });
    if (!ok) {
      say(denial(body.code, body.retryAfterMs), true);
      return false;
    }
    if (body.state === 'accepted') {
      accepted(user, body.hours, outcome);
      return false;
    }
    const { device, challenge, expiresInMs, triesLeft } = body;
    shown = { challenge, untilMs: performance.now() + expiresInMs, triesLeft };
    part('code-device', HTMLElement).textContent = device;
    part('code-user', HTMLElement).textContent = body.user;
    part('code-challenge', HTMLElement).textContent = `${challenge.slice(0, 4)} ${challenge.slice(4)}`;
    renderLeft();
    return true;
  } catch {
    say(({ page }) => page.agentGone, true);
    return false;
  }
}

/** @param {string} user @param {number} hours @param {Outcome} outcome */
function accepted(user, hours, outcome) {
  say(({ page }) => fill(page.codeAccepted, { hours }));
  dropEmergency();
  outcome.accepted(user);
}

export function renderLeft() {
  if (shown === undefined) return;
  const { page } = words();
  const minutes = Math.ceil((shown.untilMs - performance.now()) / MINUTE_MS);
  const text = minutes > 0 ? fill(page.codeLeft, { minutes, tries: shown.triesLeft }) : page.codeOver;
  if (left.textContent !== text) left.textContent = text;
  part('code-anew', HTMLElement).hidden = minutes > 0;
}
setInterval(renderLeft, LOOK_MS);

form.addEventListener('submit', async event => {
  event.preventDefault();
  if (busy.isBusy() || who === undefined) return;
  const { user, outcome } = who;
  const typed = code.value;
  if (typed.trim() === '') return refuse(code, ({ page }) => page.needCode);
  busy.set(true);
  const before = shown;
  try {
    const { ok, body } = await ask('/v1/emergency', { user, code: typed });
    if (ok) return accepted(user, body.hours, outcome);
    // What is left of it now, or a challenge anew.
    if (!(await look())) return close();
    const lost = before?.challenge !== shown?.challenge || before?.triesLeft !== shown?.triesLeft;
    if (lost) code.value = '';
    refuse(code, lost ? denial(body.code, body.retryAfterMs) : ({ page }) => page.codeShape);
  } catch {
    say(({ page }) => page.agentGone, true);
  } finally {
    busy.set(false);
  }
});
code.addEventListener('input', () => code.removeAttribute('aria-invalid'));

part('code-anew', HTMLButtonElement).addEventListener('click', async () => {
  say(undefined);
  if (await look()) code.focus();
  else close();
});
part('code-cancel', HTMLButtonElement).addEventListener('click', () => {
  say(undefined);
  close();
});
form.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return;
  say(undefined);
  close();
});
