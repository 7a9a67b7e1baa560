// docs/settings.md, and the JSON schema that editors check files of `thinman apply` by, out of the catalogue.
import { OBJECT_KINDS, SETTING_SECTIONS, type Section, type Setting } from '@thinman/protocol';
import type { TSchema } from 'typebox';

const ROOT = `${import.meta.dirname}/..`;
export const SETTINGS_PAGE = `${ROOT}/docs/settings.md`;
export const OBJECTS_SCHEMA = `${ROOT}/docs/schemas/thinman-objects.schema.json`;

const INTRODUCTION = `# Settings

Made from the catalogue (\`packages/protocol/src/objects/settings\`) by \`npm run docs\`: change it, not this page.

A policy sets them by their key, nested or dotted:

\`\`\`yaml
kind: Policy
name: quiet-screens
body: { settings: { power: { screenOffAfterMinutes: 10 } }, enforced: [power.screenOffAfterMinutes] }
\`\`\`

*Device* settings ignore what is assigned to users; *both* can be set for a device, and for a user. Where several policies set one
key, the strongest assignment wins; **united** lists hold what all of them say. The default is what holds where no policy sets it.

An editor that knows YAML schemas completes and checks such files by [schemas/thinman-objects.schema.json](schemas/thinman-objects.schema.json):
put \`# yaml-language-server: $schema=PATH\` on the first line.
`;

/** The whole page, as it must be. */
export function settingsPage(): string {
  return [INTRODUCTION, ...SETTING_SECTIONS.map(sectionText)].join('\n');
}

function sectionText({ title, settings }: Section): string {
  const rows = settings.map(
    setting =>
      `| \`${setting.key}\` | ${setting.scope} | ${cell(valuesOf(setting))} | ${cell(`\`${JSON.stringify(setting.default)}\``)} | **${setting.title}.** ${cell(setting.help)} |`,
  );
  return [`## ${title}`, '', '| key | for | values | default | |', '| --- | --- | --- | --- | --- |', ...rows, ''].join(
    '\n',
  );
}

const cell = (text: string) => text.replaceAll('|', '\\|');

function valuesOf({ schema, unit, merge }: Setting): string {
  const words = wordsOf(schema);
  return [words, unit, merge === 'union' ? '**united**' : undefined].filter(word => word !== undefined).join(', ');
}

type Shape = {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly TSchema[];
  readonly items?: TSchema;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
};

/** What a schema takes, in words. */
function wordsOf(schema: TSchema): string {
  const shape: Shape = schema;
  if (shape.const !== undefined) return `\`${JSON.stringify(shape.const)}\``;
  if (shape.anyOf !== undefined) return shape.anyOf.map(wordsOf).join(', ');
  if (shape.description !== undefined) return shape.description;
  switch (shape.type) {
    case 'array':
      return shape.items === undefined ? 'a list' : `a list of: ${wordsOf(shape.items)}`;
    case 'object':
      return `{ ${Object.entries(shape.properties ?? {})
        .map(([name, inner]) => `${name}${shape.required?.includes(name) === true ? '' : '?'}: ${wordsOf(inner)}`)
        .join('; ')} }`;
    case 'integer':
    case 'number':
      return `${shape.minimum ?? '…'} to ${shape.maximum ?? '…'}`;
    case 'boolean':
      return 'true, false';
    case 'null':
      return '`null`';
    default:
      return shape.maxLength === undefined ? 'text' : `text, ${shape.maxLength} characters at most`;
  }
}

type Json = Readonly<Record<string, unknown>>;

/** One document of a file for `thinman apply`. */
export function objectsSchema(): Json {
  const kinds = Object.entries(OBJECT_KINDS).map(([kind, body]) => ({
    type: 'object',
    properties: {
      kind: { const: kind },
      name: { type: 'string' },
      generation: { type: 'integer', description: 'With it, a write of something that has changed since is refused.' },
      body: kind === 'Policy' ? policyBody(body) : body,
    },
    required: ['kind', 'name', 'body'],
    additionalProperties: false,
  }));
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'ThinMan objects', oneOf: kinds };
}

function policyBody(body: TSchema): Json {
  const { properties }: Shape = body;
  const keys = SETTING_SECTIONS.flatMap(({ settings }) => settings.map(({ key }) => key));
  return {
    ...body,
    properties: { ...properties, settings: nestedSettings(), enforced: { type: 'array', items: { enum: keys } } },
  };
}

type Nested = { type: 'object'; title?: string; properties: Record<string, unknown>; additionalProperties: false };

function nestedSettings(): Nested {
  const root: Nested = { type: 'object', properties: {}, additionalProperties: false };
  for (const section of SETTING_SECTIONS) {
    for (const setting of section.settings) {
      const path = setting.key.split('.');
      const last = path.pop() ?? '';
      let at = root;
      for (const part of path) {
        at.properties[part] ??= { type: 'object', properties: {}, additionalProperties: false } satisfies Nested;
        at = at.properties[part] as Nested;
      }
      at.properties[last] = {
        title: setting.title,
        markdownDescription: setting.help,
        default: setting.default,
        allOf: [setting.schema],
      };
    }
    Object.assign(root.properties[section.name] as Nested, { title: section.title });
  }
  return root;
}

export function objectsSchemaText(): string {
  return `${JSON.stringify(objectsSchema(), null, 2)}\n`;
}
