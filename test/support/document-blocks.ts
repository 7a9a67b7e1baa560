import { readFileSync } from 'node:fs';

/** One fenced block of a document: ```LANGUAGE WORD... */
export type Block = {
  readonly language: string;
  /** What stands behind the language: which hosts it is for, and which kind of database. */
  readonly words: readonly string[];
  /** Number of the heading above it (`### 2. …`); 0: none. */
  readonly step: number;
  readonly text: string;
};

/** The fenced blocks that have such words, in one section (`## TITLE`) of a document, in order. */
export function blocksOf(path: string, title: string): readonly Block[] {
  const [, section = ''] = `\n${readFileSync(path, 'utf8')}`.split(`\n## ${title}\n`);
  const [own = ''] = section.split('\n## ');
  return own.split(/^### /m).flatMap(part =>
    [...part.matchAll(/^```(\w+) (.+)\n([\s\S]*?)^```$/gm)].map(([, language = '', words = '', text = '']) => ({
      ...{ language, text, step: Number(/^(\d+)\. /.exec(part)?.[1] ?? 0) },
      words: words.split(' '),
    })),
  );
}
