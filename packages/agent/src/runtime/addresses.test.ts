import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SiteStatement, StatementServer } from '@thinman/protocol';
import { createAddresses } from './addresses.ts';

const server = (name: string, url: string, keyHash = `key-of-${name}`) => ({ name, url, keyHash }) as StatementServer;
const statement = (...servers: StatementServer[]) => ({ servers }) as unknown as SiteStatement;

function addressesOf(first: SiteStatement, disk: Record<string, string> = {}) {
  const addresses = createAddresses(first, { load: () => disk, save: urls => void Object.assign(disk, urls) });
  return { ...addresses, disk, urls: () => [...addresses.servers().values()].map(({ url }) => url) };
}

test('new addresses at which nobody answers are tried in turn with those at which somebody did', () => {
  const tc = addressesOf(statement(server('primary', 'https://old'), server('secondary', 'https://second')));
  tc.answered('primary', 'https://old');
  assert.equal(tc.allSilent(), false, 'there are no others');
  tc.adopt(statement(server('primary', 'https://new'), server('secondary', 'https://second')));
  assert.deepEqual(tc.urls(), ['https://new', 'https://second']);
  assert.equal(tc.allSilent(), true);
  assert.deepEqual(tc.urls(), ['https://old', 'https://second']);
  assert.equal(tc.allSilent(), true);
  assert.deepEqual(tc.urls(), ['https://new', 'https://second']);
  tc.answered('primary', 'https://new');
  assert.equal(tc.allSilent(), false, 'the new address is confirmed');
  assert.deepEqual(tc.disk, { 'key-of-primary': 'https://new' });
});

test('over a start the address that answered is known', () => {
  const tc = addressesOf(statement(server('primary', 'https://new')), { 'key-of-primary': 'https://old' });
  assert.deepEqual(tc.urls(), ['https://new']);
  tc.allSilent();
  assert.deepEqual(tc.urls(), ['https://old']);
});

test('a removed server, or one with another key, is not asked at its old address', () => {
  const tc = addressesOf(statement(server('primary', 'https://old')), { 'key-of-primary': 'https://old' });
  tc.adopt(statement(server('primary', 'https://new', 'another-key')));
  assert.equal(tc.allSilent(), false);
  assert.deepEqual(tc.urls(), ['https://new']);
  tc.answered('primary', 'https://new');
});
