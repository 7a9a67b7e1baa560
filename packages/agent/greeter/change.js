// @ts-check
// A user's own new password: where it has expired, and by choice.
import { ask, busyButton, denial, part, refuse, say } from './parts.js';

/** As the agent has it; whatever else a directory wants, it says. */
const MIN_LENGTH = 8;

const form = part('change', HTMLFormElement);
const oldPassword = part('old-password', HTMLInputElement);
const oldField = part('old-field', HTMLElement);
const newPassword = part('new-password', HTMLInputElement);
const again = part('new-again', HTMLInputElement);
const mustChange = part('must-change', HTMLElement);
const busy = busyButton(part('change-now', HTMLButtonElement));
const fields = [oldPassword, newPassword, again];

/** @typedef {{ changed(user: string, password: string): void; closed(): void }} Outcome */
/** @type {{ user: string; outcome: Outcome } | undefined} */
let who;

/** Who walks off leaves no password behind: as at PAM (ADR 0073). */
const KEPT_MS = 2 * 60_000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let forgetting;

function stillThere() {
  clearTimeout(forgetting);
  forgetting = setTimeout(() => (busy.isBusy() ? stillThere() : close()), KEPT_MS);
}

export const isChanging = () => who !== undefined;

/** `password`: the one that has just been found to have expired. @param {string} user @param {string | undefined} password @param {Outcome} outcome */
export function openChange(user, password, outcome) {
  who = { user, outcome };
  clear();
  oldPassword.value = password ?? '';
  mustChange.hidden = password === undefined;
  // It was typed a moment ago.
  oldField.hidden = password !== undefined;
  stillThere();
  outcome.closed();
  (password === undefined ? oldPassword : newPassword).focus();
}

/** Whoever it was is gone. */
export function dropChange() {
  clearTimeout(forgetting);
  who = undefined;
  clear();
}

function clear() {
  for (const field of fields) {
    field.value = '';
    field.removeAttribute('aria-invalid');
  }
}

function close() {
  const outcome = who?.outcome;
  dropChange();
  outcome?.closed();
}

form.addEventListener('submit', async event => {
  event.preventDefault();
  if (busy.isBusy() || who === undefined) return;
  const { user, outcome } = who;
  const [password, next] = [oldPassword.value, newPassword.value];
  if (password === '') return refuse(oldPassword, ({ page }) => page.needOld);
  if (next === '') return refuse(newPassword, ({ page }) => page.needNew);
  if ([...next].length < MIN_LENGTH) return refuse(newPassword, ({ page }) => page.newShort);
  if (next === password) return refuse(newPassword, ({ page }) => page.newSame);
  if (again.value !== next) {
    again.value = '';
    return refuse(again, ({ page }) => page.newDiffers);
  }
  busy.set(true);
  say(({ page }) => page.changing);
  try {
    const { ok, body } = await ask('/v1/password', { user, password, newPassword: next });
    if (ok && body.changed) {
      close();
      say(({ page }) => page.changed);
      return outcome.changed(user, next);
    }
    const reason = ok ? body.reason : body.code;
    if (reason === 'credentials_invalid') oldField.hidden = false;
    refuse(reason === 'credentials_invalid' ? oldPassword : newPassword, denial(reason, body.retryAfterMs));
  } catch {
    say(({ page }) => page.agentGone, true);
  } finally {
    busy.set(false);
  }
});
for (const field of fields) {
  field.addEventListener('input', () => {
    field.removeAttribute('aria-invalid');
    stillThere();
  });
}

part('change-cancel', HTMLButtonElement).addEventListener('click', () => {
  say(undefined);
  close();
});
form.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return;
  say(undefined);
  close();
});
