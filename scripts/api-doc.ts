// docs/api.md, out of the docstrings of what the packages export. A test holds the page against them.
import { type Declaration, publicDeclarations } from './declarations.ts';

const ROOT = `${import.meta.dirname}/..`;
export const API_PAGE = `${ROOT}/docs/api.md`;

const INTRODUCTION = `# API

Made from the docstrings by \`npm run docs\`: change them, not this page. What is not here is not public, whatever can be imported.
Exceptions are defects or refused configuration; what may go wrong outside is a value.

- [@thinman/server](#thinmanserver): ThinMan servers inside another program; see [embed-server.ts](../examples/embed-server.ts)
- [@thinman/agent](#thinmanagent): the agent inside a greeter or a session manager; see [embed-agent.ts](../examples/embed-agent.ts)
- [@thinman/protocol](#thinmanprotocol): the wire, its schemas and its vocabulary
`;

/** The whole page, as it must be. Reads the compiled declarations: \`npm run build\` comes first. */
export function apiPage(): string {
  return [INTRODUCTION, inFull('server'), inFull('agent'), inTables()].join('\n');
}

const declared = (name: string) => publicDeclarations(`${ROOT}/packages/${name}/dist/index.d.ts`);

/** Every declaration with its text, and below them the types that these are made of. */
function inFull(name: string): string {
  const { exported, used } = declared(name);
  const entry = ({ name, doc, text }: Declaration) =>
    [`### ${name}`, ...(doc === '' ? [] : [doc]), `\`\`\`ts\n${text}\n\`\`\``].join('\n\n');
  return [
    `## @thinman/${name}`,
    ...exported.map(entry),
    ...(used.length === 0 ? [] : ['Types that these use; they cannot be imported by name:', ...used.map(entry)]),
    '',
  ].join('\n\n');
}

/** Schemas say what they are in their source; here each has its line. */
function inTables(): string {
  const byFile = Map.groupBy(declared('protocol').exported, ({ file }) => file.replace(/^.*\/dist\//, ''));
  const tables = [...byFile].map(([file, declarations]) => {
    const source = file.replace(/\.d\.ts$/, '.ts');
    const rows = declarations.map(
      ({ name, doc }) => `| \`${name}\` | ${doc.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')} |`,
    );
    return [
      `### [${source}](../packages/protocol/src/${source})`,
      '',
      '| name | what |',
      '| --- | --- |',
      ...rows,
    ].join('\n');
  });
  return [
    '## @thinman/protocol',
    'A name with a schema is both: the TypeBox schema, and the type of what fits it.',
    ...tables,
    '',
  ].join('\n\n');
}
