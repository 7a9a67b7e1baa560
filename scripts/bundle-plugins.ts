// What esbuild is told about the commands' bundles (scripts/bundle.ts).
import { join, sep } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * What is imported of Node itself is read by name, when it is imported. An import statement reads every export of a builtin module, and
 * some of them load others by that: streams, web crypto, fetch (ADR 0106).
 */
export const readBuiltins: Plugin = {
  name: 'read-builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin', sideEffects: false } : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'builtin' }, async ({ path }) => {
      const names = Object.keys(await import(path)).filter(name => name !== 'default' && name !== 'module.exports');
      const exported = names.map(name => `export const ${name} = /* @__PURE__ */ (() => all.${name})();`);
      const contents = [`const all = process.getBuiltinModule('${path}');`, ...exported, 'export default all;'];
      return { contents: contents.join('\n') };
    });
  },
};

/** Its modules do nothing but declare, and its package does not say so: those that nobody imports from are left out. */
const TYPEBOX = `${sep}node_modules${sep}typebox${sep}`;

export const dropUnused: Plugin = {
  name: 'drop-unused',
  setup(build) {
    const asked = Symbol('asked');
    build.onResolve({ filter: /./ }, async ({ path, pluginData, ...how }) => {
      if (pluginData === asked) return undefined;
      const found = await build.resolve(path, { ...how, pluginData: asked });
      return found.path.includes(TYPEBOX) ? { ...found, sideEffects: false } : undefined;
    });
  },
};

/** What builds schemas is the project's own: a file of the compiled protocol (ADR 0112). Whatever else is asked of TypeBox is TypeBox's. */
export const buildSchemas = (protocol: string): Plugin => ({
  name: 'build-schemas',
  setup(build) {
    build.onResolve({ filter: /^typebox$/ }, () => ({ path: join(protocol, 'type-builder.js'), sideEffects: false }));
  },
});
