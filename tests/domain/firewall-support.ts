import fc from 'fast-check';
import type { FirewallRule, FirewallRules } from '../../src/domain/firewall.js';

const v4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([address, prefix]) => `${address}/${prefix}`);
const v6 = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 }),
    fc.integer({ min: 0, max: 128 }),
  )
  .map(([groups, prefix]) => `${groups.map((group) => group.toString(16)).join(':')}/${prefix}`);
/** Few, so that they meet. */
const near = fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/0', '::/0', '2001:db8::/32');
const port = fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 78, max: 84 }));

const anyRule: fc.Arbitrary<FirewallRule> = fc
  .tuple(port, port, fc.array(fc.oneof(v4, v6, near), { maxLength: 4 }))
  .map(([a, b, ipRanges]) => ({ fromPort: Math.min(a, b), toPort: Math.max(a, b), ipRanges }));

export const anyRules: fc.Arbitrary<FirewallRules> = fc.record({
  ingressRules: fc.array(anyRule, { maxLength: 5 }),
  egressRules: fc.array(anyRule, { maxLength: 3 }),
});

export function ingress(...ingressRules: FirewallRule[]): FirewallRules {
  return { ingressRules, egressRules: [] };
}
