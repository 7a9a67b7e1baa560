// @ts-check
// The greeter page. It asks the agent that served it, and nobody else; nothing of it is kept beyond this tab.

/** What the agent sends. @typedef {import('../src/local/greeter/page-state.ts').PageState} PageState */
/** @typedef {import('../src/local/words/shape.ts').Words} Words */

import { dropChange, isChanging, openChange } from './change.js';
import { isCalling, openEmergency, renderLeft } from './emergency.js';
import { isUnlocking, renderLock, setUpLock } from './lock.js';
import {
  ask,
  busyButton,
  denial,
  fill,
  language,
  languages,
  part,
  refuse,
  say,
  sayAgain,
  token,
  words,
} from './parts.js';
import { drawTiles } from './tiles.js';

/** After the connection to the agent is gone, in ms. */
const RETRY_MS = 1000;
const LANGUAGE = 'thinman-language';
const WHO = 'thinman-user';

const form = part('login', HTMLFormElement);
const session = part('session', HTMLElement);
const user = part('user', HTMLInputElement);
const password = part('password', HTMLInputElement);
const show = part('show', HTMLInputElement);
const busy = busyButton(part('sign-in', HTMLButtonElement));
const askCode = part('ask-code', HTMLButtonElement);
const back = part('back', HTMLButtonElement);
const caps = part('caps', HTMLElement);

/** @type {PageState | undefined} */
let state;
/** Who signed in on this page, now or before it was loaded again; null: nobody. */
let signedIn = sessionStorage.getItem(WHO);
/** Of whom a code by telephone would help now. @type {string | undefined} */
let helpless;
/** Somebody else wants to sign in than who is signed in or has locked the screen. */
let asOther = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let goingBack;
/** Who opens that form and walks off leaves the screen as it was, after so many ms. */
const OTHER_MS = 60_000;
/** Whether the page says that somebody works offline. */
let saidOffline = false;
/** Refusals that a code lifts. */
const LIFTED = ['cached_login_expired', 'offline_attempts_exhausted', 'clock_went_back'];

form.addEventListener('submit', async event => {
  event.preventDefault();
  if (busy.isBusy()) return;
  for (const [field, missing] of /** @type {const} */ ([
    [user, 'needUser'],
    [password, 'needPassword'],
  ])) {
    field.setAttribute('aria-invalid', String(field.value === ''));
    if (field.value === '') return refuse(field, ({ page }) => page[missing]);
  }
  const typed = { user: user.value.trim(), password: password.value };
  password.value = '';
  await logIn(typed);
});

/** @param {{ user: string; password: string }} typed @param {((words: Words) => string)} [done] said when nothing else is to be said */
async function logIn(typed, done) {
  busy.set(true);
  helpless = undefined;
  say(({ page }) => page.signingIn);
  try {
    const { ok, body } = await ask('/v1/login', typed);
    if (ok && body.verdict === 'granted') {
      setAsOther(false);
      remember(body.state.session?.user ?? null);
      user.value = '';
      const warning = body.warning ? () => body.warning : done;
      say(body.mode === 'offline' ? ({ grantedOffline }) => grantedOffline : warning);
      take(body.state);
      saidOffline = body.mode === 'offline';
      return;
    }
    const reason = ok ? body.reason : body.code;
    if (reason === 'password_expired') {
      say(undefined);
      openChange(typed.user, typed.password, { changed: (name, next) => signInAnew(name, next), closed: render });
      return;
    }
    if (LIFTED.includes(reason)) helpless = typed.user;
    say(denial(reason, body.retryAfterMs), true);
  } catch {
    say(({ page }) => page.agentGone, true);
  } finally {
    busy.set(false);
    render();
  }
  password.setAttribute('aria-invalid', 'true');
  password.focus();
}

/** @param {string} name @param {string} next */
function signInAnew(name, next) {
  user.value = name;
  void logIn({ user: name, password: next }, ({ page }) => page.changed);
}

askCode.addEventListener('click', () => {
  if (helpless === undefined) return;
  say(undefined);
  void openEmergency(helpless, {
    closed: render,
    accepted(name) {
      helpless = undefined;
      user.value = name;
      render();
      password.focus();
    },
  });
});

/** By choice, of whoever is signed in; back to the tiles afterwards. */
part('change-open', HTMLButtonElement).addEventListener('click', () => {
  if (signedIn === null) return;
  say(undefined);
  openChange(signedIn, undefined, { changed: render, closed: render });
});

show.addEventListener('change', () => {
  password.type = show.checked ? 'text' : 'password';
});
password.addEventListener('keyup', event => {
  caps.hidden = !event.getModifierState('CapsLock');
});
for (const field of [user, password]) field.addEventListener('input', () => field.removeAttribute('aria-invalid'));
user.addEventListener('input', () => {
  helpless = undefined;
  askCode.hidden = true;
});
form.addEventListener('input', () => setAsOther(asOther));

/** @param {boolean} now */
function setAsOther(now) {
  asOther = now;
  clearTimeout(goingBack);
  if (now) goingBack = setTimeout(() => (busy.isBusy() ? setAsOther(true) : goBack()), OTHER_MS);
}

function beOther() {
  setAsOther(true);
  render();
  user.focus();
}

function goBack() {
  setAsOther(false);
  user.value = '';
  password.value = '';
  say(undefined);
  render();
}

part('other', HTMLButtonElement).addEventListener('click', () => {
  say(undefined);
  beOther();
});
back.addEventListener('click', goBack);
form.addEventListener('keydown', event => {
  if (event.key === 'Escape' && asOther) goBack();
});
setUpLock({
  render,
  asOther: beOther,
  refused(reason, typed, waitMs) {
    const name = state?.session?.user;
    if (name === undefined) return false;
    if (reason === 'password_expired') {
      say(undefined);
      openChange(name, typed, { changed: signInAnew, closed: render });
      return true;
    }
    if (!LIFTED.includes(reason)) return false;
    // The code is asked for where names are typed: the same person may do so past the lock, whoever else may not.
    beOther();
    user.value = name;
    helpless = name;
    say(denial(reason, waitMs), true);
    return true;
  },
  unlocked(mode, now) {
    remember(now.session?.user ?? null);
    take(now);
    saidOffline = mode === 'offline';
  },
});

part('sign-out', HTMLButtonElement).addEventListener('click', async () => {
  remember(null);
  try {
    await ask('/v1/logout', {});
    say(({ page }) => page.signedOut);
  } catch {
    say(({ page }) => page.agentGone, true);
  }
  render();
  user.focus();
});

/** @param {PageState} now @param {Words['page']} page */
function stateText({ mode, server, offlineSince }, page) {
  if (mode === 'offline') {
    if (offlineSince === null) return page.offline;
    const time = new Date(offlineSince).toLocaleTimeString(language.value, { timeStyle: 'short', hourCycle: 'h23' });
    return fill(page.offlineSince, { time });
  }
  const name = server?.name ?? '';
  if (mode === 'degraded') return fill(page.degraded, { server: name });
  return server?.role === 'secondary' ? fill(page.onSecondary, { server: name }) : page.online;
}

function render() {
  const { page } = words();
  document.documentElement.lang = language.value;
  document.title = page.title;
  for (const element of document.querySelectorAll('[data-words]')) {
    const key = /** @type {keyof Words['page']} */ (element.getAttribute('data-words'));
    element.textContent = page[key];
  }
  part('device', HTMLElement).textContent = state?.device ?? 'ThinMan';
  const text = state === undefined ? page.agentGone : stateText(state, page);
  const stateLine = part('state-text', HTMLElement);
  if (stateLine.textContent !== text) stateLine.textContent = text;
  part('light', HTMLElement).className = state?.mode ?? 'offline';
  sayAgain();
  renderLeft();

  const who = state?.session?.user;
  const isFree = !isChanging() && !isCalling();
  const isLocked = state?.session?.locked === true && !asOther;
  // Nobody has to be remembered whom the device signs in by itself.
  const isKiosk = state?.session?.autologin === true;
  const mine = who !== undefined && (who === signedIn || isKiosk) && state?.session?.locked !== true && !asOther;
  const changed = session.hidden === (mine && isFree);
  form.hidden = mine || isLocked || !isFree;
  const notice = part('notice', HTMLElement);
  notice.textContent = state?.loginMessage ?? '';
  notice.hidden = notice.textContent === '' || mine || !isFree;
  renderLock(isLocked && isFree, state);
  back.hidden = !asOther;
  for (const [id, isHidden] of /** @type {const} */ ([
    ['lock', isKiosk],
    ['change-open', isKiosk],
    ['sign-out', isKiosk],
    ['other', !isKiosk],
  ])) {
    part(id, HTMLElement).hidden = isHidden;
  }
  session.hidden = !mine || !isFree;
  part('change', HTMLElement).hidden = !isChanging();
  part('emergency', HTMLElement).hidden = !isCalling();
  askCode.hidden = helpless === undefined;
  const elsewhere = part('elsewhere', HTMLElement);
  part('offline', HTMLElement).hidden = state?.mode !== 'offline';
  elsewhere.hidden = who === undefined;
  elsewhere.textContent = fill(page.elsewhere, { user: who ?? '' });
  part('welcome', HTMLElement).textContent = fill(isKiosk ? page.kiosk : page.welcome, { user: who ?? '' });
  if (changed && mine && isFree) part('welcome', HTMLElement).focus();
  drawTiles(mine ? (state?.connections ?? []) : [], () => {
    saidOffline = false;
  });
}

/** Follows the agent for as long as the page is open: `text/event-stream`, by `fetch`, as EventSource sends no token. */
async function follow() {
  for (;;) {
    try {
      const response = await fetch('/v1/events', { headers: { 'x-thinman-token': token } });
      if (!response.ok || response.body === null) throw new Error('refused');
      let rest = '';
      for await (const chunk of /** @type {AsyncIterable<string>} */ (
        /** @type {unknown} */ (response.body.pipeThrough(new TextDecoderStream()))
      )) {
        const parts = (rest + chunk).split('\n\n');
        rest = parts.pop() ?? '';
        for (const one of parts) take(JSON.parse(one.replace(/^event: state\ndata: /, '')));
      }
    } catch {
      // Its agent is being restarted, or this page is not the one that was opened for the kiosk.
    }
    state = undefined;
    render();
    await new Promise(resolve => setTimeout(resolve, RETRY_MS));
  }
}

/** @param {PageState} now */
function take(now) {
  const first = state === undefined;
  state = now;
  // Ended elsewhere: by an administrator, by another login, by the session of Unix.
  if (!busy.isBusy() && !isUnlocking() && now.session?.user !== signedIn) {
    if (signedIn !== null) dropChange();
    remember(null);
  }
  render();
  // It was true when it was said.
  if (saidOffline && now.mode !== 'offline') {
    saidOffline = false;
    say(undefined);
  }
  if (first && signedIn === null && !form.hidden && !form.contains(document.activeElement)) user.focus();
  if (now.session === null && asOther) setAsOther(false);
}

/** @param {string | null} who */
function remember(who) {
  signedIn = who;
  if (who === null) sessionStorage.removeItem(WHO);
  else sessionStorage.setItem(WHO, who);
}

for (const [code, { language: name }] of Object.entries(languages)) {
  const option = document.createElement('option');
  option.value = code;
  option.lang = code;
  option.textContent = name;
  language.append(option);
}
const spoken = [localStorage.getItem(LANGUAGE) ?? '', ...navigator.languages.map(tag => tag.slice(0, 2).toLowerCase())];
language.value = spoken.find(code => Object.hasOwn(languages, code)) ?? 'en';
language.addEventListener('change', () => {
  localStorage.setItem(LANGUAGE, language.value);
  render();
});

render();
follow();
