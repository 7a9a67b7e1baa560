import assert from 'node:assert/strict';
import type { Server } from './server-commands.ts';

/** `thinman-server verify` finds nothing on any of them. */
export async function expectClean(...servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    const { code, stdout, stderr } = await server.tend(['verify', '--json']);
    assert.equal(code, 0, `${server.name}: ${stdout}${stderr}`);
  }
}

export type PrintedCheck = {
  readonly check: string;
  readonly level: string;
  readonly found: string;
  readonly sql?: readonly string[];
};

/** What `thinman-server doctor` says there, and how it ends. */
export async function doctorOn(server: Server, args: readonly string[] = [], input?: string) {
  const { code, stdout, stderr } = await server.tend(['doctor', '--json', ...args], input);
  assert.notEqual(stdout, '', stderr);
  const { level, checks } = JSON.parse(stdout) as { level: string; checks: readonly PrintedCheck[] };
  const bad = checks.filter(one => one.level !== 'ok').map(one => `${one.level} ${one.check}`);
  return { code, level, checks, bad: [...new Set(bad)].toSorted() };
}
