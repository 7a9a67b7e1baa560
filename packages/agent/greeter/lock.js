// @ts-check
// The locked screen: whoever is signed in types the password alone.
import { ask, busyButton, denial, fill, part, refuse, say, words } from './parts.js';

/** @typedef {import('../src/local/greeter/page-state.ts').PageState} PageState */

const form = part('locked', HTMLFormElement);
const password = part('lock-password', HTMLInputElement);
const title = part('locked-title', HTMLElement);
const other = part('locked-other', HTMLButtonElement);
const busy = busyButton(part('unlock', HTMLButtonElement));

export const isUnlocking = () => busy.isBusy();

/**
 * `refused`: whether what keeps the user out can be mended on another form, which is open then.
 * @param {{ unlocked(mode: string, state: PageState): void; refused(reason: string, typed: string, waitMs?: number): boolean; render(): void; asOther(): void }} outcome
 */
export function setUpLock(outcome) {
  form.addEventListener('submit', async event => {
    event.preventDefault();
    if (busy.isBusy()) return;
    const typed = password.value;
    if (typed === '') return refuse(password, ({ page }) => page.needPassword);
    password.value = '';
    busy.set(true);
    say(({ page }) => page.unlocking);
    try {
      const { ok, body } = await ask('/v1/unlock', { password: typed });
      if (ok && body.verdict === 'granted') {
        say(body.mode === 'offline' ? ({ grantedOffline }) => grantedOffline : undefined);
        return outcome.unlocked(body.mode, body.state);
      }
      const reason = ok ? body.reason : body.code;
      if (!outcome.refused(reason, typed, body.retryAfterMs)) refuse(password, denial(reason, body.retryAfterMs));
    } catch {
      say(({ page }) => page.agentGone, true);
    } finally {
      busy.set(false);
      outcome.render();
    }
  });
  password.addEventListener('input', () => password.removeAttribute('aria-invalid'));
  other.addEventListener('click', () => {
    password.value = '';
    say(undefined);
    outcome.asOther();
  });
  part('lock', HTMLButtonElement).addEventListener('click', async () => {
    try {
      await ask('/v1/lock', {});
    } catch {
      say(({ page }) => page.agentGone, true);
    }
  });
}

/** @param {boolean} isShown @param {PageState | undefined} state */
export function renderLock(isShown, state) {
  const isNews = form.hidden && isShown;
  form.hidden = !isShown;
  title.textContent = fill(words().page.locked, { user: state?.session?.user ?? '' });
  other.hidden = state?.mayEnd !== true;
  if (!isShown) password.value = '';
  if (!isNews) return;
  // Whoever comes back finds the cursor where the password is typed; what was said before concerns nobody any more.
  say(undefined);
  password.focus();
}
