import { canonicalCidr } from './cidr.js';
import { normaliseRules } from './normalise.js';
import { DIRECTIONS, type FirewallRule, type FirewallRules, type Grant, grantsOf } from './rules.js';

/** Rules of one network each (or none, for any). Add before revoking: then nothing wanted is ever closed. */
export interface RulesDifference {
  add: FirewallRules;
  revoke: FirewallRules;
}

/**
 * What to change so that a native firewall allows `wanted` and nothing else: differences only, none when they agree.
 *
 * `current` is taken as the vendor keeps it, piece by piece and unmerged, since only what exists can be revoked.
 * A vendor that spells "any" as two networks gets it back as one rule without networks.
 */
export function diffRules(current: FirewallRules, wanted: FirewallRules): RulesDifference {
  const difference: RulesDifference = {
    add: { ingressRules: [], egressRules: [] },
    revoke: { ingressRules: [], egressRules: [] },
  };
  const target = normaliseRules(wanted);
  for (const direction of DIRECTIONS) {
    const present = asKept(current[direction]);
    const asked = new Map(grantsOf(target[direction]).map((grant) => [keyOf(grant), grant]));
    difference.add[direction] = [...asked].filter(([key]) => !present.has(key)).map(([, grant]) => toRule(grant));
    difference.revoke[direction] = [...present].filter(([key]) => !asked.has(key)).map(([, grant]) => toRule(grant));
  }
  return difference;
}

/** Grouped by their exact ports only, so that both halves of an "any" meet. */
function asKept(rules: readonly FirewallRule[]): Map<string, Grant> {
  const byPorts = new Map<string, FirewallRule[]>();
  for (const rule of rules) {
    const ports = `${rule.fromPort}-${rule.toPort}`;
    byPorts.set(ports, [...(byPorts.get(ports) ?? []), rule]);
  }
  const grants = [...byPorts.values()].flatMap((same) => {
    const { ingressRules } = normaliseRules({ ingressRules: same, egressRules: [] });
    return grantsOf(ingressRules);
  });
  return new Map(grants.map((grant) => [keyOf(grant), grant]));
}

function keyOf({ fromPort, toPort, cidr }: Grant): string {
  return `${fromPort}-${toPort} ${cidr === undefined ? 'any' : canonicalCidr(cidr)}`;
}

function toRule({ fromPort, toPort, cidr }: Grant): FirewallRule {
  return { fromPort, toPort, ipRanges: cidr === undefined ? [] : [cidr] };
}
