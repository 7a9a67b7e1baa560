// @ts-check
// What all forms of the page use: its parts, its words, what is said, and the agent that served it.

/** @typedef {import('../src/local/words/shape.ts').Words} Words */
/** @typedef {(words: Words) => string} Said */

const TOKEN = 'thinman-token';

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
export function part(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${id}`);
}

// The token came behind the #, which browsers send to nobody. It leaves the address, so that no screen shows it.
const given = location.hash.slice(1);
if (given !== '') {
  sessionStorage.setItem(TOKEN, given);
  history.replaceState(null, '', '/');
}
export const token = sessionStorage.getItem(TOKEN) ?? '';

/** @type {Record<string, Words>} */
export const languages = await (await fetch('/words.json')).json();
export const language = part('language', HTMLSelectElement);
export const words = () => /** @type {Words} */ (languages[language.value] ?? languages.en);

/** @param {string} text @param {Record<string, string | number>} values */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));

const message = part('message', HTMLElement);
/** What `message` says, so that it can be said again in another language. @type {Said | undefined} */
let said;

/** @param {Said | undefined} text @param {boolean} [bad] */
export function say(text, bad = false) {
  said = text;
  message.classList.toggle('bad', bad);
  sayAgain();
}
export function sayAgain() {
  message.textContent = said === undefined ? '' : said(words());
}

/** @param {string} path @param {unknown} body */
export async function ask(path, body) {
  const headers = { 'content-type': 'application/json', 'x-thinman-token': token };
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { ok: response.ok, body: await response.json() };
}

/** @param {string | null} reason @param {number | null | undefined} waitMs @returns {Said} */
export function denial(reason, waitMs) {
  const fromMs = Date.now() + (waitMs ?? 0);
  return ({ reasons, tryAgain, permittedFrom, locale }) => {
    const why = Object.hasOwn(reasons, reason ?? '')
      ? /** @type {Record<string, string>} */ (reasons)[reason ?? '']
      : '';
    const text = why || reasons.other;
    if (!waitMs) return text;
    if (reason !== 'not_permitted') return `${text} ${fill(tryAgain, { seconds: Math.ceil(waitMs / 1000) })}`;
    const shown = /** @type {const} */ ({ weekday: 'long', hour: '2-digit', minute: '2-digit' });
    return `${text} ${fill(permittedFrom, { when: new Intl.DateTimeFormat(locale, shown).format(fromMs) })}`;
  };
}

/** Marks a field that needs another value, says why, and goes there. @param {HTMLInputElement} field @param {Said} why */
export function refuse(field, why) {
  field.setAttribute('aria-invalid', 'true');
  say(why, true);
  field.focus();
}

/** One thing at a time: not `disabled`, as that would take the focus away from whoever works by keyboard. @param {HTMLButtonElement} button */
export function busyButton(button) {
  let busy = false;
  return {
    isBusy: () => busy,
    /** @param {boolean} now */
    set(now) {
      busy = now;
      button.setAttribute('aria-disabled', String(now));
    },
  };
}
