import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  diffRules,
  type FirewallRule,
  type FirewallRules,
  isCidr,
  NO_RULES,
  normaliseRules,
  RulesRefusedError,
  renderAllowlist,
  sameRules,
  strategyIssues,
} from '../../src/domain/firewall.js';
import { anyRules, ingress } from './firewall-support.js';

const rule = (fromPort: number, toPort: number, ...ipRanges: string[]): FirewallRule => ({
  fromPort,
  toPort,
  ipRanges,
});

describe('the normal form', () => {
  it.each([
    ['adjacent ranges are one', [rule(80, 80), rule(81, 90)], [rule(80, 90)]],
    ['overlapping ranges are one', [rule(80, 85), rule(83, 90)], [rule(80, 90)]],
    [
      'ranges of other networks stay apart',
      [rule(80, 80, '10.0.0.0/8'), rule(81, 81)],
      [rule(80, 80, '10.0.0.0/8'), rule(81, 81)],
    ],
    [
      'networks of one range share a rule',
      [rule(80, 80, '10.0.0.0/8'), rule(80, 80, '11.0.0.0/8')],
      [rule(80, 80, '10.0.0.0/8', '11.0.0.0/8')],
    ],
    [
      'host bits are cleared',
      [rule(80, 80, '10.1.2.3/8', '2001:DB8:0:0:1::1/33')],
      [rule(80, 80, '10.0.0.0/8', '2001:db8::/33')],
    ],
    ['all of IPv4 and all of IPv6 is any', [rule(80, 80, '1.2.3.4/0', '::1/0', '10.0.0.0/8')], [rule(80, 80)]],
    ['an any that came of two meets its neighbour', [rule(80, 80, '0.0.0.0/0', '::/0'), rule(81, 81)], [rule(80, 81)]],
    ['the ends of the port space do not wrap', [rule(1, 1), rule(65_535, 65_535)], [rule(1, 1), rule(65_535, 65_535)]],
  ])('%s', (_promise, given, expected) => {
    expect(normaliseRules(ingress(...given)).ingressRules).toEqual(expected);
  });

  it.each([
    ['0:0:0:0:0:0:0:1/128', '::1/128'],
    ['2001:0db8:0000:0001:0000:0000:0000:0001/128', '2001:db8:0:1::1/128'],
    ['1:0:0:2:0:0:0:3/128', '1:0:0:2::3/128'],
    ['1:0:2:3:4:5:6:7/128', '1:0:2:3:4:5:6:7/128'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/17', 'ffff:8000::/17'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['203.0.113.77/25', '203.0.113.0/25'],
  ])('spells %s as %s', (given, expected) => {
    expect(normaliseRules(ingress(rule(1, 1, given))).ingressRules[0]?.ipRanges).toEqual([expected]);
  });

  it('does not depend on order, repeats or pieces, is its own normal form, and opens the same ports', () => {
    fc.assert(
      fc.property(anyRules, fc.nat(), (rules, seed) => {
        const normal = normaliseRules(rules);
        expect(normaliseRules(normal)).toEqual(normal);
        expect(normaliseRules(inPieces(rules, seed))).toEqual(normal);
        expect(sameRules(rules, inPieces(rules, seed))).toBe(true);
      }),
    );
  });

  it('leaves what it was given as it was', () => {
    fc.assert(
      fc.property(anyRules, (rules) => {
        const before = JSON.stringify(rules);
        normaliseRules(rules);
        expect(JSON.stringify(rules)).toBe(before);
      }),
    );
  });
});

describe('a CIDR', () => {
  it.each(['0.0.0.0/0', '203.0.113.0/24', '10.0.0.1/32', '::/0', '2001:db8::/32', 'fe80::1/128', '1:2:3:4:5:6:7:8/64'])(
    'may be %s',
    (text) => {
      expect(isCidr(text)).toBe(true);
    },
  );

  it.each([
    '10.0.0.0',
    '10.0.0/8',
    '10.0.0.256/8',
    '10.0.0.0/33',
    '010.0.0.0/8',
    '10.0.0.0/08',
    '10.0.0.0/8 ',
    '10.0.0.0/8\n',
    '::/129',
    ':::/0',
    '1::2::3/64',
    '1:2:3:4:5:6:7::8/64',
    '1:2:3:4:5:6:7/64',
    '12345::/16',
    '::1',
    'g::/16',
    '/8',
    '',
    null,
    8,
  ])('may not be %j', (text) => {
    expect(isCidr(text)).toBe(false);
  });
});

describe('the difference to a native firewall', () => {
  it('is nothing where both agree, however the vendor spells "any"', () => {
    const current = ingress(rule(443, 443, '0.0.0.0/0'), rule(443, 443, '::/0'), rule(22, 22, '10.0.0.1/8'));
    const wanted = ingress(rule(443, 443), rule(22, 22, '10.0.0.0/8'));
    expect(diffRules(current, wanted)).toEqual({ add: NO_RULES, revoke: NO_RULES });
  });

  it('leaves a network that stays alone when another joins or leaves its rule', () => {
    const current = ingress(rule(443, 443, '10.0.0.0/8', '11.0.0.0/8'));
    const wanted = ingress(rule(443, 443, '11.0.0.0/8', '12.0.0.0/8'));
    expect(diffRules(current, wanted)).toEqual({
      add: ingress(rule(443, 443, '12.0.0.0/8')),
      revoke: ingress(rule(443, 443, '10.0.0.0/8')),
    });
  });

  it('revokes what exists, piece by piece, not what it would merge to', () => {
    const current = ingress(rule(80, 84), rule(85, 90));
    expect(diffRules(current, ingress(rule(80, 91)))).toEqual({
      add: ingress(rule(80, 91)),
      revoke: ingress(rule(80, 84), rule(85, 90)),
    });
  });

  it('makes the firewall equal to what was wanted, and then is nothing', () => {
    fc.assert(
      fc.property(anyRules, anyRules, (from, to) => {
        const current = onePerNetwork(from);
        const { add, revoke } = diffRules(current, to);
        const after = apply(current, add, revoke);
        expect(sameRules(after, to)).toBe(true);
        expect(diffRules(after, to)).toEqual({ add: NO_RULES, revoke: NO_RULES });
      }),
    );
  });
});

describe('a rule that a strategy cannot express', () => {
  it.each([
    [
      'an IPv6 network on an IPv4 firewall',
      { kind: 'native', ipv6: false },
      ingress(rule(80, 80, '10.0.0.0/8', '::/0')),
      'firewallRules.ingressRules[0].ipRanges[1]',
    ],
    [
      'egress where there is none',
      { kind: 'native', egress: false },
      { ingressRules: [], egressRules: [rule(80, 80)] },
      'firewallRules.egressRules[0]',
    ],
    [
      'more rules than the vendor takes',
      { kind: 'native', maxRules: 2 },
      ingress(rule(80, 80, '10.0.0.0/8', '11.0.0.0/8', '12.0.0.0/8')),
      'firewallRules',
    ],
    [
      'ports on an allowlist',
      { kind: 'allowlist' },
      ingress(rule(80, 80, '10.0.0.1/32')),
      'firewallRules.ingressRules[0]',
    ],
    [
      'a network on an allowlist',
      { kind: 'allowlist' },
      ingress(rule(1, 65_535, '10.0.0.0/24')),
      'firewallRules.ingressRules[0].ipRanges[0]',
    ],
    [
      'everybody on an allowlist',
      { kind: 'allowlist' },
      ingress(rule(1, 65_535)),
      'firewallRules.ingressRules[0].ipRanges',
    ],
    ['ports the wrong way round', { kind: 'host' }, ingress(rule(81, 80)), 'firewallRules.ingressRules[0].toPort'],
    ['half a port', { kind: 'host' }, ingress(rule(80.5, 81)), 'firewallRules.ingressRules[0].fromPort'],
  ] as const)('is named: %s', (_what, strategy, rules, path) => {
    expect(strategyIssues(rules as FirewallRules, strategy)).toEqual([{ path, message: expect.any(String) }]);
  });

  it('is never rendered: hosts on every port are, and nothing else', () => {
    expect(renderAllowlist(ingress(rule(1, 65_535, '10.0.0.9/32', '2001:db8::1/128')))).toEqual([
      '10.0.0.9',
      '2001:db8::1',
    ]);
    expect(() => renderAllowlist(ingress(rule(22, 22, '10.0.0.9/32')))).toThrow(RulesRefusedError);
  });
});

/** The same rules, each network on its own, ranges cut in two, in another order. */
function inPieces(rules: FirewallRules, seed: number): FirewallRules {
  const cut = (list: FirewallRule[]): FirewallRule[] => {
    const pieces = list.flatMap(({ fromPort, toPort, ipRanges }) => {
      const middle = fromPort + (seed % (toPort - fromPort + 1));
      const ports =
        middle < toPort
          ? [
              [fromPort, middle],
              [middle + 1, toPort],
            ]
          : [
              [fromPort, toPort],
              [fromPort, toPort],
            ];
      const networks = ipRanges.length === 0 ? [[]] : ipRanges.map((range) => [range.toUpperCase()]);
      return ports.flatMap(([from = 0, to = 0]) => networks.map((network) => rule(from, to, ...network)));
    });
    return pieces
      .map((piece, index) => ({ piece, order: (index * 7_919 + seed) % 101 }))
      .sort((a, b) => a.order - b.order)
      .map(({ piece }) => piece);
  };
  return { ingressRules: cut(rules.ingressRules), egressRules: cut(rules.egressRules) };
}

/** As a vendor keeps them. */
function onePerNetwork(rules: FirewallRules): FirewallRules {
  return diffRules(NO_RULES, rules).add;
}

function apply(current: FirewallRules, add: FirewallRules, revoke: FirewallRules): FirewallRules {
  const change = (direction: keyof FirewallRules): FirewallRule[] => {
    const gone = new Set(revoke[direction].map((each) => JSON.stringify(each)));
    return [...current[direction].filter((each) => !gone.has(JSON.stringify(each))), ...add[direction]];
  };
  return { ingressRules: change('ingressRules'), egressRules: change('egressRules') };
}
