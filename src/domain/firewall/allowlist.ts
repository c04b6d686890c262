import { normaliseRules } from './normalise.js';
import type { FirewallRules } from './rules.js';
import { mustFit } from './strategy.js';

/**
 * The hosts a vendor's IP allowlist lets in, as bare addresses, sorted.
 * @throws {RulesRefusedError} for any rule that is not "these hosts, on every port".
 */
export function renderAllowlist(rules: FirewallRules): string[] {
  mustFit(rules, { kind: 'allowlist' });
  return normaliseRules(rules).ingressRules.flatMap(({ ipRanges }) =>
    ipRanges.map((cidr) => cidr.slice(0, cidr.indexOf('/'))),
  );
}
