import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { systemProgram } from './programs.ts';

/** Where screenshots are left, for people to look at; git does not take it. */
const ARTEFACTS = join(import.meta.dirname, '../../test-artefacts');

export type OpenBrowser = AsyncDisposable & {
  readonly browser: Browser;
  /** A picture of the whole page: `test-artefacts/FOLDER/NAME.png`. */
  photograph(page: Page, name: string): Promise<void>;
};

/** Debian's Chromium, without a screen. `folder`: of its pictures. */
export async function openBrowser(folder: string): Promise<OpenBrowser> {
  const pictures = join(ARTEFACTS, folder);
  mkdirSync(pictures, { recursive: true });
  const browser = await chromium.launch({
    executablePath: systemProgram('chromium'),
    // As root, which tests with real processes often are, it has no sandbox; it sees pages of ours alone.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  return {
    browser,
    photograph: async (page, name) =>
      void (await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })),
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
