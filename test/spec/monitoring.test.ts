// docs/metrics.md, the runbook, and what is in examples/monitoring: none of them names what is not there, or leaves out what is.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { DEVICE_EVENT_TYPES, ERRORS, SERVER_EVENT_TYPES } from '@thinman/protocol';
import { parse } from 'yaml';
import { type KnownMetric, knownMetrics } from '../support/known-metrics.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const section = (text: string, title: string) => text.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

/** What is told beside the words stands before them. */
const CALL_WITHIN_CHARS = 300;
const CALL = /log(?:\.\w+\(|\[[^\]]*\]\()|\['(?:info|warn|error)',/g;

type Rule = {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
};
type Panel = { readonly title: string; readonly targets: readonly { readonly expr: string }[] };

const rules = (
  parse(read('examples/monitoring/prometheus-rules.yaml')) as { readonly groups: readonly { readonly rules: Rule[] }[] }
).groups.flatMap(group => group.rules);
const { panels } = JSON.parse(read('examples/monitoring/grafana-dashboard.json')) as { readonly panels: Panel[] };
const operations = read('docs/operations.md');

let known: ReadonlyMap<string, KnownMetric>;
before(async () => {
  known = new Map((await knownMetrics()).map(metric => [metric.name, metric]));
});

/** Each text of the server's code, with the call of the log before it (or the level in a table of them). */
const logLines = globSync('packages/server/src/**/*.ts', { cwd: ROOT, exclude: ['**/*.test.ts'] }).flatMap(file => {
  const code = read(file);
  return [...code.matchAll(/(['`])((?:(?!\1|\$\{|\n).)+)\1?/g)].map(({ index, 2: text = '' }) => {
    const calls = [...code.slice(Math.max(0, index - CALL_WITHIN_CHARS), index).matchAll(CALL)];
    return { text, call: calls.at(-1)?.[0] ?? '' };
  });
});

/** What Prometheus adds to every series, and to those of a histogram. */
const LABELS_OF_PROMETHEUS = ['instance', 'job', 'le'];
/** Metrics that are not of ThinMan: of Prometheus, and of every program in Node.js. */
const FOREIGN = /^(?:up|process_\w+|nodejs_\w+)$/;
/** By metric. */
const STATES: Readonly<Record<string, readonly string[]>> = {
  thinman_server_state: ['serving', 'degraded', 'draining', 'unavailable'],
  thinman_database_connections: ['in_use', 'idle', 'waiting'],
};
/** Values that a label can have, where they are a list. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  outcome: ['granted', ...Object.keys(ERRORS)],
  type: [...DEVICE_EVENT_TYPES, ...SERVER_EVENT_TYPES],
  role: ['primary', 'secondary'],
};

const series = (name: string) => known.get(name) ?? known.get(name.replace(/_(?:bucket|count|sum)$/, ''));

/** A metric and its selector. */
const NAMED = /(?<![\w"])(thinman_\w+|process_\w+|nodejs_\w+|up)\b(\{[^}]*\})?/g;
const MATCHER = /(\w+)(=~|!=|!~|=)"([^"]*)"/g;

/** Looks at what an expression names. */
function check(where: string, expression: string): void {
  const labels = new Set(LABELS_OF_PROMETHEUS);
  const named = [...expression.matchAll(NAMED)];
  assert.ok(named.length > 0, `${where}: names no metric`);
  for (const [, name = '', selector = ''] of named) {
    if (FOREIGN.test(name)) continue;
    const metric = series(name);
    assert.ok(metric !== undefined, `${where}: ${name} is no metric`);
    for (const label of metric.labels) labels.add(label);
    for (const [, label = '', operator = '', value = ''] of selector.matchAll(MATCHER)) {
      assert.ok([...metric.labels, ...LABELS_OF_PROMETHEUS].includes(label), `${where}: ${name} has no ${label}`);
      const parts = operator.endsWith('~') ? value.split('|') : [value];
      const possible = valuesOf(name, label);
      if (possible === undefined) continue;
      for (const part of parts) {
        const isPossible: boolean = possible.some(each => new RegExp(`^(?:${part})$`).test(each));
        assert.ok(isPossible, `${where}: no ${label} is ever ${part}`);
      }
    }
  }
  for (const [, list = ''] of expression.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const label of list.split(/,\s*/)) assert.ok(labels.has(label), `${where}: by ${label}`);
  }
}

function valuesOf(metric: string, label: string): readonly string[] | undefined {
  return label === 'state' ? STATES[metric] : VALUES[label];
}

describe('docs/metrics.md', () => {
  it('has every metric of a server, with its type, its labels and its help, and no other', () => {
    const rows = read('docs/metrics.md').match(/^\| `thinman_.*$/gm) ?? [];
    const expected = [...known.values()]
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, type, labels, help }) => {
        const names = labels.map(label => `\`${label}\``).join(', ');
        return `| \`${name}\` | ${type} | ${names} | ${help} |`;
      });
    assert.deepEqual(rows, expected);
  });

  it('says what the log says, at its level', () => {
    const rows = section(read('docs/metrics.md'), 'What happened, and where it shows').match(/^\| .*\|$/gm) ?? [];
    const cells = rows.slice(2).map(row => row.split('|').at(-2)?.trim() ?? '');
    assert.ok(cells.length > 10);
    for (const cell of cells) {
      // Outside of what is in brackets.
      for (const line of cell.split(/; (?![^(]*\))/)) {
        const [, words = '', levels = ''] = /^`([^`]+)` \(([^)]+)\)/.exec(line) ?? assert.fail(`no line: ${line}`);
        const said = logLines.filter(({ text }) => text.startsWith(words)).map(({ call }) => call);
        assert.ok(said.length > 0, `no line of the log begins with: ${words}`);
        for (const [level] of levels.matchAll(/info|warn|error/g)) {
          assert.ok(
            said.some(call => call.includes(level)),
            `${words}: is not of level ${level}`,
          );
        }
      }
    }
  });

  it('names units', () => {
    for (const { name, type } of known.values()) {
      assert.doesNotMatch(name, /_(?:ms|minutes|kb|mb)(?:_|$)/, 'seconds and bytes, as everywhere in Prometheus');
      assert.equal(name.endsWith('_total'), type === 'counter', name);
    }
  });
});

describe('examples/monitoring', () => {
  it('alerts on metrics that there are, with labels and values that they have', () => {
    assert.ok(rules.length > 0);
    for (const { alert, expr, labels, annotations } of rules) {
      check(alert, expr);
      assert.ok(['page', 'ticket'].includes(labels.severity), alert);
      assert.ok(annotations.summary.length > 0, alert);
    }
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  });

  it('shows metrics that there are on its dashboard', () => {
    assert.ok(panels.length > 0);
    for (const { title, targets } of panels) for (const { expr } of targets) check(title, expr);
  });

  it('says how Prometheus reaches servers, by files that there are', () => {
    const config = parse(read('examples/monitoring/prometheus.yaml')) as {
      readonly rule_files: readonly string[];
      readonly scrape_configs: readonly { readonly job_name: string; readonly scheme: string }[];
    };
    for (const file of config.rule_files) assert.ok(existsSync(join(ROOT, 'examples', 'monitoring', file)), file);
    const jobs = config.scrape_configs.map(({ job_name: job, scheme }) => `${job} ${scheme}`);
    assert.deepEqual(jobs, ['thinman-server https']);
    const expressions = [
      ...rules.map(({ expr }) => expr),
      ...panels.flatMap(({ targets }) => targets.map(t => t.expr)),
    ];
    const asked = expressions.flatMap(expr => [...expr.matchAll(/job="([^"]*)"/g)].map(([, job = '']) => job));
    assert.deepEqual(new Set(asked), new Set(['thinman-server']));
  });
});

describe('the runbook', () => {
  const [, ...entries] = section(operations, 'Runbook').split(/^### /m);

  it('has one entry for each alert, in their order', () => {
    const titles = entries.map(entry => entry.split('\n')[0]);
    assert.deepEqual(
      titles,
      rules.map(({ alert }) => alert),
    );
  });

  it('says in each what it means, who notices, where to look, what to do, and when it is over', () => {
    for (const entry of entries) {
      const said = [...entry.matchAll(/^- \*\*(\w+)\*\*: \S/gm)].map(([, word]) => word);
      assert.deepEqual(said, ['Means', 'Notices', 'Look', 'Do', 'Over'], entry);
    }
  });

  it('leads nowhere that is not there', () => {
    const anchors = [...operations.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, anchor = ''] of section(operations, 'Runbook').matchAll(/\]\(#([^)]+)\)/g)) {
      assert.ok(anchors.includes(anchor), `#${anchor}`);
    }
    for (const [, path = ''] of section(operations, 'Runbook').matchAll(/\]\(([^#)]+)/g)) {
      assert.ok(existsSync(join(ROOT, 'docs', path)), path);
    }
    for (const [, name = ''] of section(operations, 'Runbook').matchAll(/`(thinman_\w+)/g)) {
      assert.ok(series(name) !== undefined, name);
    }
  });
});
