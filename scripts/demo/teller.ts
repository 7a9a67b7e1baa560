import { styleText } from 'node:util';

/** One step of the story, kept for the table at its end. Right when what happened is, word for word, what was expected. */
export type Step = {
  readonly title: string;
  readonly expected: string;
  readonly happened: string;
  readonly ms: number;
};

export type Teller = {
  readonly steps: readonly Step[];
  chapter(title: string): void;
  say(text: string): void;
  /**
   * Does something and tells how it went. `act` says in words what happened, and in milliseconds how long it took where that
   * is not the time that `act` took. The first line of what it throws is told as what happened, and the story ends.
   */
  step(title: string, expected: string, act: () => Promise<string | { happened: string; ms: number }>): Promise<void>;
};

export function isRight({ expected, happened }: Step): boolean {
  return expected === happened;
}

export function createTeller(write: (line: string) => void): Teller {
  const steps: Step[] = [];
  let chapters = 0;
  return {
    steps,
    chapter: title => write(`\n${styleText('bold', `${++chapters}. ${title}`)}`),
    say: text => write(`   ${styleText('dim', text)}`),
    step: async (title, expected, act) => {
      const startedMs = performance.now();
      const keep = (happened: string, ms: number) => {
        const step = { title, expected, happened, ms: Math.round(ms) };
        steps.push(step);
        write(
          isRight(step)
            ? `   ${styleText('green', '✔')} ${title}: ${happened} ${styleText('dim', `(${step.ms} ms)`)}`
            : `   ${styleText('red', '✖')} ${title}: ${styleText('red', happened)}, expected: ${expected}`,
        );
      };
      try {
        const told = await act();
        if (typeof told === 'string') keep(told, performance.now() - startedMs);
        else keep(told.happened, told.ms);
      } catch (error) {
        const [firstLine = ''] = String(error instanceof Error ? error.message : error).split('\n');
        keep(firstLine, performance.now() - startedMs);
        throw error;
      }
    },
  };
}

/** Longer cells of the table end in "…"; what differs is shown whole. */
const MAX_CELL_CHARS = 44;

/** The closing table: step, expected, what happened, ms. */
export function table(steps: readonly Step[]): string {
  const rows = steps.map(step => [
    isRight(step) ? styleText('green', '✔') : styleText('red', '✖'),
    shorten(step.title),
    shorten(step.expected),
    isRight(step) ? shorten(step.happened) : styleText('red', step.happened),
    String(step.ms),
  ]);
  const head = ['', 'step', 'expected', 'what happened', 'ms'].map(text => styleText('bold', text));
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => visibleLength(row[column] ?? ''))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const gap = ' '.repeat((widths[column] ?? 0) - visibleLength(cell));
        return column === cells.length - 1 ? gap + cell : cell + gap;
      })
      .join('  ');
  return [line(head), line(widths.map(width => '─'.repeat(width))), ...rows.map(line)].join('\n');
}

const shorten = (text: string) => (text.length > MAX_CELL_CHARS ? `${text.slice(0, MAX_CELL_CHARS - 1)}…` : text);

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what it is about
const visibleLength = (text: string) => text.replaceAll(/\u001b\[\d+m/g, '').length;
