import { canonicalCidr } from './cidr.js';
import { compareText, type FirewallRule, type FirewallRules, type Grant, grantsOf } from './rules.js';

const EVERY_NETWORK = ['0.0.0.0/0', '::/0'] as const;

/**
 * The normal form: rules that open the same ports to the same networks come out the same, in whatever order, repeats,
 * spelling and pieces they came.
 *
 * Networks are spelled canonically; for each, overlapping and adjacent port ranges are one; networks with the same
 * range share a rule; all of IPv4 together with all of IPv6 is "any". Networks are not merged with each other: a
 * caller finds each one again as it was given.
 */
export function normaliseRules(rules: FirewallRules): FirewallRules {
  return { ingressRules: normalise(rules.ingressRules), egressRules: normalise(rules.egressRules) };
}

/** What either allows. */
export function bothRules(a: FirewallRules | undefined, b: FirewallRules): FirewallRules {
  if (!a) return b;
  const ingressRules = [...a.ingressRules, ...b.ingressRules];
  return normaliseRules({ ingressRules, egressRules: [...a.egressRules, ...b.egressRules] });
}

export function sameRules(a: FirewallRules, b: FirewallRules): boolean {
  return JSON.stringify(normaliseRules(a)) === JSON.stringify(normaliseRules(b));
}

function normalise(rules: readonly FirewallRule[]): FirewallRule[] {
  const once = regroup(rules);
  const twice = regroup(once);
  // A new "any" may touch another one: again, until nothing moves.
  return JSON.stringify(once) === JSON.stringify(twice) ? once : normalise(twice);
}

function regroup(rules: readonly FirewallRule[]): FirewallRule[] {
  const ranges = new Map<string, FirewallRule>();
  for (const { fromPort, toPort, cidr } of mergePorts(grantsOf(rules))) {
    const key = `${fromPort}-${toPort}`;
    const rule = ranges.get(key) ?? { fromPort, toPort, ipRanges: [] };
    rule.ipRanges.push(cidr ?? ANY);
    ranges.set(key, rule);
  }
  return [...ranges.values()]
    .map((rule) => ({ ...rule, ipRanges: isForAny(rule.ipRanges) ? [] : rule.ipRanges.sort(compareText) }))
    .sort((a, b) => a.fromPort - b.fromPort || a.toPort - b.toPort);
}

const ANY = '';

function isForAny(ipRanges: readonly string[]): boolean {
  return ipRanges.includes(ANY) || EVERY_NETWORK.every((network) => ipRanges.includes(network));
}

/** Grants with canonical networks; for each network, ranges that touch are one. */
function mergePorts(grants: readonly Grant[]): Grant[] {
  const byNetwork = new Map<string, Grant[]>();
  for (const { fromPort, toPort, cidr } of grants) {
    const network = cidr === undefined ? ANY : canonicalCidr(cidr);
    const list = byNetwork.get(network) ?? [];
    list.push(network === ANY ? { fromPort, toPort } : { fromPort, toPort, cidr: network });
    byNetwork.set(network, list);
  }
  return [...byNetwork.values()].flatMap(mergeRanges);
}

function mergeRanges(grants: readonly Grant[]): Grant[] {
  const merged: Grant[] = [];
  for (const grant of [...grants].sort((a, b) => a.fromPort - b.fromPort || a.toPort - b.toPort)) {
    const last = merged.at(-1);
    if (last && grant.fromPort <= last.toPort + 1) last.toPort = Math.max(last.toPort, grant.toPort);
    else merged.push({ ...grant });
  }
  return merged;
}
