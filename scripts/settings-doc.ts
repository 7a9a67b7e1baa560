// docs/settings.md, docs/connections.md, and the JSON schema that editors check files of `thinman apply` by, out of the catalogue.
import {
  CONNECTION_FIELD_WORDS,
  CONNECTION_TYPE_WORDS,
  CONNECTION_TYPES,
  type Connection,
  NOT_TOLD_TO_CLIENT,
  OBJECT_KINDS,
  SETTING_SECTIONS,
  type Section,
  type Setting,
} from '@thinman/protocol';
import type { TSchema } from 'typebox';

const ROOT = `${import.meta.dirname}/..`;
export const SETTINGS_PAGE = `${ROOT}/docs/settings.md`;
export const CONNECTIONS_PAGE = `${ROOT}/docs/connections.md`;
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

const CONNECTIONS_INTRODUCTION = `# Connections

Made from their schemas (\`packages/protocol/src/objects/connections\`) by \`npm run docs\`: change those, not this page.

What a profile holds, by \`type\`. Which profile counts for whom is in [policies.md](policies.md), what is started on the device in
[devices.md](devices.md).

\`\`\`yaml
kind: Profile
name: nurses
body:
  connections:
    - { name: ward, title: Ward record, type: rdp, host: rds.example.org, sso: true, autostart: true, reconnect: on-failure, fallback: web }
    - { name: web, type: web, url: 'https://ward.example.org/', kiosk: true }
\`\`\`

Texts may hold variables, but for \`name\`, \`fallback\` and \`command\`. What is left out is as the client has it, where nothing else is said. Fields marked
**not told** are taken, and the client that this agent starts has no word for them, or is told by its own site; \`apply\` warns of them.
`;

type TypeName = Connection['type'];
const TYPES = Object.keys(CONNECTION_TYPES) as TypeName[];

/** The whole page, as it must be. */
export function connectionsPage(): string {
  return [CONNECTIONS_INTRODUCTION, '## All types', '', ...commonTable(), '', ...TYPES.flatMap(typeText)].join('\n');
}

/** Fields that every type has, in the order of the first. */
const COMMON = Object.keys(fieldsOf('rdp')).filter(
  name => name !== 'type' && TYPES.every(type => name in fieldsOf(type)),
);

function fieldsOf(type: TypeName): Readonly<Record<string, TSchema>> {
  return (CONNECTION_TYPES[type] as Shape).properties ?? {};
}

function commonTable(): readonly string[] {
  return [...HEADER, ...COMMON.map(name => fieldRow('rdp', name))];
}

function typeText(type: TypeName): readonly string[] {
  const own = Object.keys(fieldsOf(type)).filter(name => name !== 'type' && !COMMON.includes(name));
  return [`## ${type}`, '', CONNECTION_TYPE_WORDS[type], '', ...HEADER, ...own.map(name => fieldRow(type, name)), ''];
}

const HEADER = ['| field | values | |', '| --- | --- | --- |'];

/** For people: what a field says; undefined: nobody has written it. */
export const wordsOfField = (type: TypeName, name: string): string | undefined =>
  CONNECTION_FIELD_WORDS[`${type}.${name}`] ?? CONNECTION_FIELD_WORDS[name];

function fieldRow(type: TypeName, name: string): string {
  const { required = [] }: Shape = CONNECTION_TYPES[type];
  const schema = fieldsOf(type)[name];
  const notTold = NOT_TOLD_TO_CLIENT[type]?.includes(name) === true ? ' **Not told.**' : '';
  const needed = required.includes(name) ? ', needed' : '';
  const values = schema === undefined ? '' : wordsOf(schema);
  return `| \`${name}\` | ${cell(`${values}${needed}`)} | ${cell(wordsOfField(type, name) ?? '')}${notTold} |`;
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
      body: kind === 'Policy' ? policyBody(body) : kind === 'Profile' ? profileBody(body) : body,
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

/** Fields of connections in which no variable stands. */
const PLAIN = ['name', 'type', 'fallback', 'command'];
/** As `apply` takes it: a text with a variable in it is held against the form when it is filled in. */
const VARIABLE = { type: 'string', pattern: '\\$\\{' };

/** A schema whose texts may hold variables. */
function withVariables(schema: TSchema): Json {
  const { type, anyOf, items, properties }: Shape = schema;
  if (type === 'string' && 'pattern' in schema) return { anyOf: [schema, VARIABLE] };
  return {
    ...schema,
    ...(anyOf !== undefined && { anyOf: anyOf.map(withVariables) }),
    ...(items !== undefined && { items: withVariables(items) }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, withVariables(inner)])),
    }),
  };
}

/** Connections with what their fields say. */
function profileBody(body: TSchema): Json {
  const { properties }: Shape = body;
  const anyOf = TYPES.map(type => {
    const fields = Object.entries(fieldsOf(type)).map(([name, schema]) => {
      const words = wordsOfField(type, name);
      const taken = PLAIN.includes(name) ? schema : withVariables(schema);
      return [name, words === undefined ? taken : { markdownDescription: words, allOf: [taken] }];
    });
    return {
      ...CONNECTION_TYPES[type],
      markdownDescription: CONNECTION_TYPE_WORDS[type],
      properties: Object.fromEntries(fields),
    };
  });
  return { ...body, properties: { ...properties, connections: { ...properties?.connections, items: { anyOf } } } };
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
        allOf: [withVariables(setting.schema)],
      };
    }
    Object.assign(root.properties[section.name] as Nested, { title: section.title });
  }
  return root;
}

export function objectsSchemaText(): string {
  return `${JSON.stringify(objectsSchema(), null, 2)}\n`;
}
