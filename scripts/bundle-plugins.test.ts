import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { build, type Plugin } from 'esbuild';
import TypeBox from 'typebox';
import builder from '../packages/protocol/src/type-builder.ts';
import { dropUnused } from './bundle-plugins.ts';

const PACKAGES = join(import.meta.dirname, '..', 'packages');
const OWN = join(PACKAGES, 'protocol', 'src', 'type-builder.ts');

type Names = Readonly<Record<string, unknown>>;
type Builder = Readonly<Record<string, (...given: never[]) => object>>;

const ownBuilder: Plugin = {
  name: 'own-builder',
  setup: ({ onResolve }) => onResolve({ filter: /^typebox$/ }, () => ({ path: OWN })),
};

/** All that the protocol exports, bundled. */
async function protocolBy(plugins: readonly Plugin[]): Promise<{ readonly names: Names; readonly bytes: number }> {
  const { outputFiles } = await build({
    ...{ entryPoints: [join(PACKAGES, 'protocol', 'src', 'index.ts')], bundle: true, format: 'esm', write: false },
    plugins: [...plugins, dropUnused],
  });
  const [file] = outputFiles;
  assert.ok(file);
  const url = `data:text/javascript;base64,${Buffer.from(file.contents).toString('base64')}`;
  return { names: await import(url), bytes: file.contents.length };
}

test('every schema of the protocol is built the same without TypeBox’s builder, in less than two thirds of the text', async () => {
  const [theirs, ours] = [await protocolBy([]), await protocolBy([ownBuilder])];
  const schemas = (names: Names) => Object.entries(names).filter(([, value]) => typeof value === 'object');
  assert.ok(schemas(theirs.names).length > 150);
  for (const [name, value] of schemas(theirs.names)) {
    assert.equal(JSON.stringify(ours.names[name]), JSON.stringify(value), name);
  }
  assert.ok(ours.bytes < (theirs.bytes * 2) / 3, `${ours.bytes} of ${theirs.bytes}`);
});

test('each builder, with options and in one another, gives what TypeBox gives', () => {
  const made = (Type: Builder): readonly object[] => {
    const make = (kind: string, ...given: unknown[]) => {
      const build = Type[kind];
      assert.ok(build, kind);
      return (build as (...given: unknown[]) => object)(...given);
    };
    const text = () => make('String', { minLength: 1, pattern: '^a' });
    const words = { description: 'a word' };
    return [
      ...['String', 'Integer', 'Number', 'Boolean', 'Null', 'Unknown'].flatMap(kind => [make(kind), make(kind, words)]),
      ...['a', 5, true].map(value => make('Literal', value, words)),
      make('Object', {}),
      make('Object', { a: text(), b: make('Optional', text()), c: make('Optional', make('Unknown')) }, words),
      make('Object', { a: make('Optional', make('Object', { b: make('Null') })) }, { additionalProperties: false }),
      make('Partial', make('Object', { a: text(), b: make('Null') }, words), { additionalProperties: false }),
      make('Array', make('Array', text()), { maxItems: 3 }),
      make('Record', make('String'), make('Unknown')),
      make('Record', make('String', { maxLength: 9 }), make('Null'), { maxProperties: 3 }),
      make('Record', text(), make('Null')),
      make('Tuple', [make('Null'), text()], words),
      make('Union', [make('Literal', 'a'), make('Null')], words),
      make('Unsafe', make('Union', [make('Null')])),
    ];
  };
  const theirs = made(TypeBox as unknown as Builder);
  const ours = made(builder as unknown as Builder);
  for (const [at, schema] of theirs.entries()) assert.equal(JSON.stringify(ours[at]), JSON.stringify(schema));
});

test('a record of certain keys alone, which TypeBox builds otherwise, is refused and not built wrong', () => {
  assert.throws(() => builder.Record(builder.Literal('a'), builder.Null()), /keys of a record/);
  assert.throws(() => builder.Record(builder.Union([builder.Literal('a')]), builder.Null()), /keys of a record/);
});

test('what builds no schema here is used nowhere in what is bundled', () => {
  const sources = globSync('*/src/**/*.ts', { cwd: PACKAGES }).filter(path => !path.endsWith('.test.ts'));
  const used = new Set(
    sources.flatMap(path => {
      const text = readFileSync(join(PACKAGES, path), 'utf8');
      return text.includes("from 'typebox'")
        ? [...text.matchAll(/\bType\.([A-Z]\w*)(?:<[^;()]*>)?\(/g)].map(([, kind]) => kind)
        : [];
    }),
  );
  assert.ok(used.size > 10 && used.has('Unsafe'), 'also where a type is given');
  assert.deepEqual(
    [...used].filter(kind => kind === undefined || !Object.hasOwn(builder, kind)),
    [],
  );
});
