import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compileFilter, type Filtered, filterHolds } from './filter.ts';
import { isInSubnet, parseAddress, parseSubnet } from './subnet.ts';

const holds = (where: Parameters<typeof compileFilter>[0], of: Filtered) => filterHolds(compileFilter(where), of);

const PATTERNS: readonly [pattern: string, text: string, fits: boolean][] = [
  ['OptiPlex 3000', 'optiplex 3000', true],
  ['OptiPlex', 'OptiPlex 3000', false],
  ['OptiPlex*', 'OptiPlex 3000', true],
  ['*3000', 'OptiPlex 3000', true],
  ['*plex*30*', 'OptiPlex 3000', true],
  ['*30*plex*', 'OptiPlex 3000', false],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['ab*ba', 'aba', false],
  ['*', '', true],
  ['a.c', 'abc', false],
];

describe('filters', () => {
  for (const [pattern, text, fits] of PATTERNS) {
    test(`${pattern} ${fits ? 'fits' : 'does not fit'} ${text || 'nothing'}`, () => {
      assert.equal(holds({ model: [pattern] }, { facts: { model: text } }), fits);
    });
  }

  test('all parts must hold, and of each part one entry; what is not known fits nothing', () => {
    const where = { model: ['a', 'b'], os: ['x*'], attribute: { ward: ['3', '4'] } };
    const of = { facts: { model: 'B', os: 'x1' }, attributes: { ward: '4' } };
    assert.ok(holds(where, of));
    assert.ok(!holds(where, { ...of, attributes: { ward: '5' } }));
    assert.ok(!holds(where, { ...of, facts: { model: 'b' } }));
    assert.ok(!holds({ model: ['*'] }, {}));
    assert.ok(!holds({ attribute: { constructor: ['*'] } }, { attributes: {} }));
    assert.ok(!holds({ subnet: ['0.0.0.0/0'] }, { facts: { address: 'nowhere' } }));
  });

  const SUBNETS: readonly [address: string, subnet: string, isIn: boolean][] = [
    ['10.3.0.7', '10.3.0.0/16', true],
    ['10.4.0.7', '10.3.0.0/16', false],
    ['10.3.255.255', '10.2.0.0/15', true],
    ['10.3.0.7', '10.3.0.7/32', true],
    ['10.3.0.7', '0.0.0.0/0', true],
    ['::ffff:10.3.0.7', '10.3.0.0/16', true],
    ['2001:db8::7', '2001:db8::/32', true],
    ['2001:db9::7', '2001:db8::/32', false],
    ['10.3.0.7', '::/0', true],
    ['::1', '0.0.0.0/0', false],
    ['fe80::1%eth0', 'fe80::/10', true],
  ];
  for (const [address, subnet, isIn] of SUBNETS) {
    test(`${address} is ${isIn ? '' : 'not '}in ${subnet}`, () => {
      assert.equal(holds({ subnet: [subnet] }, { facts: { address } }), isIn);
    });
  }

  test('what is no address, and what is no network', () => {
    for (const text of ['', '1.2.3', '1.2.3.256', '1:2', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', 'g::', '1.2.3.4:5']) {
      assert.equal(parseAddress(text), undefined, text);
    }
    for (const text of ['10.0.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '/8', '10.0.0.0/-1']) {
      assert.equal(parseSubnet(text), undefined, text);
    }
  });

  test('an address is in a network when their first bits are the same', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.nat({ max: 32 }), (address, network, bits) => {
        const number = (text: string) => text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
        const subnet = parseSubnet(`${network}/${bits}`);
        const bytes = parseAddress(address);
        assert.ok(subnet !== undefined && bytes !== undefined);
        const shift = BigInt(32 - bits);
        assert.equal(isInSubnet(bytes, subnet), number(address) >> shift === number(network) >> shift);
      }),
    );
    fc.assert(fc.property(fc.ipV6(), address => assert.equal(parseAddress(address)?.length, 16)));
  });
});
