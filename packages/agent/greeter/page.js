// @ts-check
// The greeter page. It asks the agent that served it, and nobody else; nothing of it is kept beyond this tab.

/** What the agent sends. @typedef {import('../src/local/greeter/page-state.ts').PageState} PageState */
/** @typedef {import('../src/local/words/shape.ts').Words} Words */

/** After the connection to the agent is gone, in ms. */
const RETRY_MS = 1000;
const TOKEN = 'thinman-token';
const LANGUAGE = 'thinman-language';
const WHO = 'thinman-user';

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
function part(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${id}`);
}

const form = part('login', HTMLFormElement);
const session = part('session', HTMLElement);
const user = part('user', HTMLInputElement);
const password = part('password', HTMLInputElement);
const show = part('show', HTMLInputElement);
const signIn = part('sign-in', HTMLButtonElement);
const language = part('language', HTMLSelectElement);
const message = part('message', HTMLElement);
const tiles = part('tiles', HTMLElement);
const caps = part('caps', HTMLElement);

// The token came behind the #, which browsers send to nobody. It leaves the address, so that no screen shows it.
const given = location.hash.slice(1);
if (given !== '') {
  sessionStorage.setItem(TOKEN, given);
  history.replaceState(null, '', '/');
}
const token = sessionStorage.getItem(TOKEN) ?? '';

/** @type {Record<string, Words>} */
const languages = await (await fetch('/words.json')).json();
/** @type {PageState | undefined} */
let state;
/** What `message` says, so that it can be said again in another language. @type {((words: Words) => string) | undefined} */
let said;
/** Who signed in on this page, now or before it was loaded again; null: nobody. */
let signedIn = sessionStorage.getItem(WHO);
let busy = false;

const words = () => /** @type {Words} */ (languages[language.value] ?? languages.en);

/** @param {string} text @param {Record<string, string | number>} values */
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));

/** @param {((words: Words) => string) | undefined} text @param {boolean} [bad] */
function say(text, bad = false) {
  said = text;
  message.classList.toggle('bad', bad);
  message.textContent = text === undefined ? '' : text(words());
}

/** @param {string} path @param {unknown} body */
async function ask(path, body) {
  const headers = { 'content-type': 'application/json', 'x-thinman-token': token };
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { ok: response.ok, body: await response.json() };
}

/** @param {string | null} reason @param {number | null | undefined} waitMs */
function denial(reason, waitMs) {
  return (/** @type {Words} */ { reasons, tryAgain }) => {
    const why = Object.hasOwn(reasons, reason ?? '')
      ? /** @type {Record<string, string>} */ (reasons)[reason ?? '']
      : '';
    const text = why || reasons.other;
    return waitMs ? `${text} ${fill(tryAgain, { seconds: Math.ceil(waitMs / 1000) })}` : text;
  };
}

form.addEventListener('submit', async event => {
  event.preventDefault();
  if (busy) return;
  for (const [field, missing] of /** @type {const} */ ([
    [user, 'needUser'],
    [password, 'needPassword'],
  ])) {
    field.setAttribute('aria-invalid', String(field.value === ''));
    if (field.value !== '') continue;
    say(({ page }) => page[missing], true);
    field.focus();
    return;
  }
  setBusy(true);
  say(({ page }) => page.signingIn);
  const typed = { user: user.value.trim(), password: password.value };
  password.value = '';
  try {
    const { ok, body } = await ask('/v1/login', typed);
    if (ok && body.verdict === 'granted') {
      remember(body.state.session?.user ?? null);
      user.value = '';
      say(
        body.mode === 'offline'
          ? ({ grantedOffline }) => grantedOffline
          : body.warning
            ? () => body.warning
            : undefined,
      );
      take(body.state);
      return;
    }
    say(denial(ok ? body.reason : body.code, body.retryAfterMs), true);
  } catch {
    say(({ page }) => page.agentGone, true);
  } finally {
    setBusy(false);
  }
  password.setAttribute('aria-invalid', 'true');
  password.focus();
});

/** @param {boolean} now */
function setBusy(now) {
  busy = now;
  // Not `disabled`: that would take the focus away from whoever works by keyboard.
  signIn.setAttribute('aria-disabled', String(now));
}

show.addEventListener('change', () => {
  password.type = show.checked ? 'text' : 'password';
});
password.addEventListener('keyup', event => {
  caps.hidden = !event.getModifierState('CapsLock');
});
for (const field of [user, password]) field.addEventListener('input', () => field.removeAttribute('aria-invalid'));

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

/** @param {string} name @param {string} title */
async function open(name, title) {
  say(({ page }) => fill(page.starting, { name: title }));
  try {
    const { ok } = await ask('/v1/connect', { name });
    say(({ page }) => fill(ok ? page.started : page.startFailed, { name: title }), !ok);
  } catch {
    say(({ page }) => page.agentGone, true);
  }
}

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

/** What was drawn last: a list that has not changed keeps the focus of whoever is in it. */
let drawn = '';

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
  message.textContent = said === undefined ? '' : said(words());

  const who = state?.session?.user;
  const mine = who !== undefined && who === signedIn;
  const changed = session.hidden === mine;
  form.hidden = mine;
  session.hidden = !mine;
  const elsewhere = part('elsewhere', HTMLElement);
  part('offline', HTMLElement).hidden = state?.mode !== 'offline';
  elsewhere.hidden = who === undefined;
  elsewhere.textContent = fill(page.elsewhere, { user: who ?? '' });
  part('welcome', HTMLElement).textContent = fill(page.welcome, { user: who ?? '' });
  if (changed && mine) part('welcome', HTMLElement).focus();
  drawTiles(mine ? (state?.connections ?? []) : []);
}

/** @param {PageState['connections']} connections */
function drawTiles(connections) {
  part('no-connections', HTMLElement).hidden = connections.length > 0;
  const wanted = JSON.stringify(connections);
  if (wanted === drawn) return;
  drawn = wanted;
  tiles.replaceChildren(
    ...connections.map(({ name, title = name, type }) => {
      const [item, button] = [document.createElement('li'), document.createElement('button')];
      const [label, kind] = [document.createElement('span'), document.createElement('span')];
      button.type = 'button';
      label.textContent = title;
      kind.textContent = type;
      kind.className = 'type';
      button.append(label, kind);
      button.addEventListener('click', () => open(name, title));
      item.append(button);
      return item;
    }),
  );
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
  if (!busy && now.session?.user !== signedIn) remember(null);
  render();
  if (first && signedIn === null && !form.contains(document.activeElement)) user.focus();
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
