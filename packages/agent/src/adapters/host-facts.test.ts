import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHostFacts } from './host-facts.ts';

const host = (files: Readonly<Record<string, string>>) => readHostFacts(path => files[path]);

test('a machine says vendor and product, and the name of its system', () => {
  const facts = host({
    '/sys/class/dmi/id/sys_vendor': 'Dell Inc.\n',
    '/sys/class/dmi/id/product_name': 'OptiPlex 3000\n',
    '/etc/os-release': 'NAME="ThinOX"\nPRETTY_NAME="ThinOX 3.1"\n',
  });
  assert.deepEqual(facts, { model: 'Dell Inc. OptiPlex 3000', os: 'ThinOX 3.1' });
});

test('a board without DMI says its model; what is not there is left out', () => {
  assert.deepEqual(host({ '/proc/device-tree/model': 'Raspberry Pi 5\u0000' }), { model: 'Raspberry Pi 5' });
  assert.deepEqual(host({ '/etc/os-release': 'nothing' }), {});
});

test('what does not fit the wire is cut, and control characters are not sent', () => {
  const { model = '' } = host({ '/sys/class/dmi/id/product_name': `a\u001b[31m${'b'.repeat(500)}` });
  assert.equal(model.length, 128);
  assert.ok(!model.includes('\u001b'));
});
