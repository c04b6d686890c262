import { randomBytes } from 'node:crypto';
import { CloudError, invalid } from './errors.js';
import { isCidr } from './firewall.js';
import type { FirewallRule, FirewallRules, NewFirewallRule, NewFirewallRules } from './types.js';

/** Sets of firewall rules: checked, made from a request, added to, taken from. */

const SIDES = ['ingressRules', 'egressRules'] as const;

/** Gives each rule an id; equal ones become one. */
export function toRules(rules: NewFirewallRules): FirewallRules {
  return { ingressRules: withIds(rules.ingressRules), egressRules: withIds(rules.egressRules) };
}

/** @throws {CloudError} `request.invalid`, naming the field. */
export function checkRules(rules: NewFirewallRules, path = ''): void {
  for (const side of SIDES) {
    for (const [index, rule] of (rules[side] ?? []).entries()) {
      const field = `${path}${side}.${index}`;
      if (rule.fromPort < 1 || rule.fromPort > 65_535) invalid(`${field}.fromPort`, 'ports are from 1 to 65535');
      if (rule.toPort < rule.fromPort || rule.toPort > 65_535) invalid(`${field}.toPort`, 'from fromPort to 65535');
      const bad = (rule.ipRanges ?? []).findIndex((range) => !isCidr(range));
      if (bad >= 0) invalid(`${field}.ipRanges.${bad}`, 'not a CIDR');
    }
  }
}

/** All or none. @throws {CloudError} `firewall.duplicate_rule` when an equal one is there. */
export function withAdded(current: FirewallRules, added: NewFirewallRules): FirewallRules {
  const fresh = toRules(added);
  for (const side of SIDES) {
    const twin = fresh[side].find((rule) => current[side].some((other) => isSameRule(rule, other)));
    if (twin)
      throw new CloudError('firewall.duplicate_rule', `there is an equal rule for ${twin.fromPort}-${twin.toPort}`);
  }
  return {
    ingressRules: [...current.ingressRules, ...fresh.ingressRules],
    egressRules: [...current.egressRules, ...fresh.egressRules],
  };
}

/** @throws {CloudError} `resource.not_found` */
export function without(current: FirewallRules, ruleId: string): FirewallRules {
  const others = (rules: FirewallRule[]): FirewallRule[] => rules.filter((rule) => rule.id !== ruleId);
  const left = { ingressRules: others(current.ingressRules), egressRules: others(current.egressRules) };
  if (SIDES.every((side) => left[side].length === current[side].length)) {
    throw new CloudError('resource.not_found', `there is no firewall rule ${ruleId}`);
  }
  return left;
}

function withIds(rules: NewFirewallRule[] = []): FirewallRule[] {
  const distinct: FirewallRule[] = [];
  for (const { fromPort, toPort, ipRanges = [] } of rules) {
    const rule = { id: `fwr-${randomBytes(4).toString('hex')}`, fromPort, toPort, ipRanges };
    if (!distinct.some((other) => isSameRule(other, rule))) distinct.push(rule);
  }
  return distinct;
}

function isSameRule(a: FirewallRule, b: FirewallRule): boolean {
  const ranges = (rule: FirewallRule): string => [...rule.ipRanges].sort().join();
  return a.fromPort === b.fromPort && a.toPort === b.toPort && ranges(a) === ranges(b);
}
