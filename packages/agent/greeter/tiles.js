// @ts-check
// Connections as tiles, and how each stands, live.
import { ask, fill, part, say, words } from './parts.js';

/** @typedef {import('../src/local/greeter/page-state.ts').PageState} PageState */
/** @typedef {PageState['connections'][number]} Tile */

const list = part('tiles', HTMLElement);
const news = part('tile-news', HTMLElement);

/** Which tiles are there: while these stay the same the focus of whoever is among them stays, too. */
let drawn = '';
/** @type {Map<string, string | undefined>} */
let states = new Map();

/** What a tile says of itself; nothing while it is closed. @param {Tile['state']} state */
function stateText(state) {
  const { page } = words();
  switch (state) {
    case 'open':
      return page.tileOpen;
    case 'waiting':
      return page.tileWaiting;
    case 'closing':
      return page.tileClosing;
    case 'failed':
      return page.tileFailed;
    case 'replaced':
      return page.tileReplaced;
    default:
      return '';
  }
}

/** @param {string} name @param {string} title */
async function open(name, title) {
  if (states.get(name) === 'open') return say(({ page }) => fill(page.alreadyOpen, { name: title }));
  say(({ page }) => fill(page.starting, { name: title }));
  try {
    const { ok } = await ask('/v1/connect', { name });
    const isThere = ok && states.get(name) !== 'failed';
    say(({ page }) => fill(isThere ? page.started : page.startFailed, { name: title }), !isThere);
  } catch {
    say(({ page }) => page.agentGone, true);
  }
}

/** @param {readonly Tile[]} connections @param {() => void} onOpen */
export function drawTiles(connections, onOpen) {
  part('no-connections', HTMLElement).hidden = connections.length > 0;
  const wanted = JSON.stringify(connections.map(({ name, title, type }) => [name, title, type]));
  if (wanted !== drawn) {
    drawn = wanted;
    states = new Map();
    list.replaceChildren(...connections.map(tile => itemOf(tile, onOpen)));
  }
  const before = states;
  states = new Map(connections.map(({ name, state }) => [name, state]));
  for (const [at, { name, title = name, state }] of connections.entries()) {
    const button = list.children[at]?.firstElementChild;
    const line = button?.lastElementChild;
    if (!(button instanceof HTMLElement) || !(line instanceof HTMLElement)) continue;
    const text = stateText(state);
    if (line.textContent !== text) line.textContent = text;
    button.dataset['state'] = state ?? '';
    // Those who see the tiles see it there; what opens and what fails is said, too.
    const isTold = state === 'open' || state === 'failed' || state === 'waiting';
    if (before.has(name) && before.get(name) !== state && isTold) news.textContent = `${title}: ${text}`;
  }
}

/** @param {Tile} tile @param {() => void} onOpen */
function itemOf({ name, title = name, type }, onOpen) {
  const [item, button] = [document.createElement('li'), document.createElement('button')];
  const [label, kind, state] = ['', 'type', 'state'].map(className => {
    const span = document.createElement('span');
    span.className = className;
    return span;
  });
  if (label === undefined || kind === undefined || state === undefined) return item;
  button.type = 'button';
  label.textContent = title;
  kind.textContent = type;
  button.append(label, kind, state);
  button.addEventListener('click', () => {
    onOpen();
    void open(name, title);
  });
  item.append(button);
  return item;
}
