import { type DirectoryFinding, DirectoryTestAnswer, type DirectoryTestRequest, visible } from '@thinman/protocol';
import type { Command } from 'commander';
import type { Asking, Options, Said } from './asking.ts';
import { CommandError, EXIT } from './command-error.ts';
import { type FileObject, readDocuments } from './documents.ts';
import { type Format, parseFormat, toJson, toYaml } from './format.ts';
import { readPassword } from './password.ts';

/** Up to sixteen servers at once, with five steps of five seconds each at the worst. */
const TEST_DEADLINE_MS = 30_000;

/** Puts `thinman directory test` on the command line. */
export function addDirectoryCommands(program: Command, asking: Asking): void {
  program
    .command('directory')
    .description('LDAP and Active Directory')
    .command('test')
    .description(
      'looks at each server of a directory from the ThinMan server that is asked; exit code 1 where something fails',
    )
    .argument('<name>', 'of the Directory')
    .option('-f, --file <path...>', 'try it as these files have it, instead of as it is stored; nothing is stored')
    .option('--user <name>', 'looks somebody up, as the login name is typed')
    .option('--ask-password', "asks for that user's password, and tries it: one bind")
    .option('--password-stdin', 'reads that password from standard input')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(
      asking(async (client, options, [name = '']) => {
        const format = parseFormat(options.output);
        const files = options.file === undefined ? undefined : await readDocuments(options.file);
        const asked = await questionOf(name, files, options);
        const question = {
          method: 'POST',
          path: '/directories/test',
          body: asked,
          deadlineMs: TEST_DEADLINE_MS,
        } as const;
        return inFormat(await client.ask(DirectoryTestAnswer, question), format);
      }),
    );
}

type Asked = Pick<Options, 'user' | 'askPassword' | 'passwordStdin'>;

async function questionOf(
  name: string,
  files: readonly FileObject[] | undefined,
  { user, askPassword = false, passwordStdin = false }: Asked,
): Promise<DirectoryTestRequest> {
  if (user === undefined && (askPassword || passwordStdin)) {
    throw new CommandError(EXIT.misuse, 'whose password is it? say --user NAME as well');
  }
  const isAsked = askPassword || passwordStdin;
  const password = isAsked ? await readPassword(passwordStdin, `password of ${visible(user ?? '')}: `) : undefined;
  const body = files === undefined ? undefined : bodyIn(name, files);
  return {
    name,
    ...(body !== undefined && { body }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
  };
}

/** Other objects may lie in the same files. */
function bodyIn(name: string, files: readonly FileObject[]): Record<string, unknown> {
  for (const { value } of files) {
    const { kind, name: found, body } = (value ?? {}) as { kind?: unknown; name?: unknown; body?: unknown };
    if (kind === 'Directory' && found === name && typeof body === 'object' && body !== null) {
      return body as Record<string, unknown>;
    }
  }
  throw new CommandError(EXIT.misuse, `there is no Directory "${name}" in these files: check kind, name and body`);
}

function inFormat(answer: DirectoryTestAnswer, format: Format): Said {
  const failed = answer.findings.some(({ level }) => level === 'fail');
  const exitCode = failed ? EXIT.denied : EXIT.done;
  switch (format) {
    case 'json':
      return { text: toJson(answer), exitCode };
    case 'yaml':
      return { text: toYaml([answer]), exitCode };
    case 'table':
      return { text: inWords(answer), exitCode };
  }
}

function inWords({ server, name, findings }: DirectoryTestAnswer): string {
  const width = Math.max(...findings.map(({ step }) => step.length));
  const byUrl = Map.groupBy(findings, ({ url }) => url);
  const lines = [...byUrl].flatMap(([url, ofServer]) => [
    visible(url),
    ...ofServer.flatMap(finding => linesOf(finding, width)),
  ]);
  return `${[`Directory/${visible(name)}, as ${visible(server)} sees it`, ...lines].join('\n')}\n`;
}

function linesOf({ step, level, found, do: advice }: DirectoryFinding, width: number): readonly string[] {
  const line = `  ${level.padEnd('fail'.length)}  ${step.padEnd(width)}  ${visible(found)}`;
  const indent = ' '.repeat('  fail  '.length + width + 2);
  return advice === undefined ? [line] : [line, `${indent}→ ${visible(advice)}`];
}
