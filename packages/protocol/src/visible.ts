/** Control characters, line ends, what turns the direction of the text, and what nobody sees: two texts would look alike. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;
const HEX = 16;

/** Each UTF-16 unit as JSON and YAML have it between quotation marks. */
const escaped = (char: string) =>
  char
    .split('')
    .map(unit => `\\u${unit.charCodeAt(0).toString(HEX).padStart(4, '0')}`)
    .join('');

/** What others said (a device, a server, whoever typed at a login) as a command may print it: none of it drives the terminal. */
export function visible(said: string): string {
  return said.replaceAll(UNSEEN, escaped);
}

/** The same for text of several lines: they stay, and so do tabs. */
export function visibleLines(said: string): string {
  return said.replaceAll(UNSEEN, char => (char === '\n' || char === '\t' ? char : escaped(char)));
}
