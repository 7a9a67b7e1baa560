/** Control characters, line ends, and what turns the direction of the text. */
const DRIVES_TERMINALS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const HEX = 16;

/** What others said (a device, a server, whoever typed at a login) as a command may print it: none of it drives the terminal. */
export function visible(said: string): string {
  return said.replaceAll(DRIVES_TERMINALS, char => `\\u${char.charCodeAt(0).toString(HEX).padStart(4, '0')}`);
}
