import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TSchema } from 'typebox';
import { OBJECT_KINDS, secretPlaces, secretsIn, valueAt } from './index.ts';
import { isSecret } from './secret.ts';
import { SETTINGS } from './settings/index.ts';

/** Paths in a schema of what is marked. */
function marked(value: unknown, path: readonly string[] = []): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (isSecret(value as TSchema)) return [path.join('.')];
  return Object.entries(value).flatMap(([key, inner]) => marked(inner, [...path, key]));
}

test('the fields that are marked secret', () => {
  assert.deepEqual(marked(OBJECT_KINDS), ['Directory.properties.bindPassword']);
  const settings = [...SETTINGS.values()].flatMap(({ key, schema }) => (marked(schema).length > 0 ? [key] : []));
  assert.deepEqual(settings, ['network.wired.authentication', 'network.wifi.networks', 'session.autologin']);
});

test('a secret of a setting is found however the setting is written, under one name', () => {
  const networks = [{ ssid: 'guests' }, { ssid: 'Ward 3', passphrase: 'correct horse' }];
  for (const settings of [
    { network: { wifi: { networks } } },
    { 'network.wifi.networks': networks },
    { network: { 'wifi.networks': networks } },
  ]) {
    const body = { settings };
    const places = secretsIn('Policy', body);
    assert.deepEqual(
      places.map(({ field }) => field),
      ['network.wifi.networks.Ward 3.passphrase'],
    );
    assert.equal(valueAt(body, places[0]?.path ?? []), 'correct horse');
  }
});

test('items of one name have secrets of their own, and a list in another order has the same names', () => {
  const schema = SETTINGS.get('network.wifi.networks')?.schema;
  assert.ok(schema !== undefined);
  const item = (ssid: string) => ({ ssid, passphrase: 'something' });
  const names = (list: readonly unknown[]) => secretPlaces(schema, list, 'w').map(({ field }) => field);
  assert.deepEqual(names([item('a'), item('a')]), ['w.a.passphrase', 'w.a#2.passphrase']);
  assert.deepEqual(names([item('a'), item('b')]).toSorted(), names([item('b'), item('a')]).toSorted());
  const login = { method: 'eap-peap', identity: 'tc', password: 'x', serverNames: ['r.example.org'] };
  assert.deepEqual(names([{ ssid: 'w', authentication: login }]), ['w.w.authentication.password']);
});
