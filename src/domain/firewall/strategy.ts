import { isCidr, isHost, isIpv6 } from './cidr.js';
import { normaliseRules } from './normalise.js';
import { DIRECTIONS, type FirewallRule, type FirewallRules, grantsOf, isPort } from './rules.js';

/**
 * How a provider's machines get their rules.
 *
 * - `native`: the vendor's own firewall per machine, with what it cannot do
 * - `host`: UFW and DOCKER-USER on the machine, brought by cloud-init or a launch script
 * - `allowlist`: the vendor lets named hosts in, on every port
 */
export type FirewallStrategy =
  | { kind: 'native'; ipv6?: boolean; egress?: boolean; maxRules?: number }
  | { kind: 'host' }
  | { kind: 'allowlist' };

/** One thing that cannot be done: `firewallRules.ingressRules[0].ipRanges[1]`, and why. */
export interface RuleIssue {
  path: string;
  message: string;
}

/** Thrown by every renderer, before it renders anything. */
export class RulesRefusedError extends Error {
  override readonly name = 'RulesRefusedError';
  readonly issues: RuleIssue[];

  constructor(issues: RuleIssue[]) {
    super(issues.map(({ path, message }) => `${path} ${message}`).join('; '));
    this.issues = issues;
  }
}

/** Each is a command of a tenth of a second at first boot, and four lines of user data. */
export const MAX_HOST_GRANTS = 256;

/** What of these rules the strategy cannot express, each by name. Empty: rendering them will not refuse. */
export function strategyIssues(rules: FirewallRules, strategy: FirewallStrategy, path = 'firewallRules'): RuleIssue[] {
  const malformed = DIRECTIONS.flatMap((direction) =>
    rules[direction].flatMap((rule, index) => shapeIssues(rule, `${path}.${direction}[${index}]`)),
  );
  if (malformed.length > 0) return malformed;
  switch (strategy.kind) {
    case 'native':
      return nativeIssues(rules, strategy, path);
    case 'host':
      return countIssues(rules, MAX_HOST_GRANTS, 'a firewall on the machine takes', path);
    case 'allowlist':
      return allowlistIssues(rules, path);
  }
}

/** @throws {RulesRefusedError} */
export function mustFit(rules: FirewallRules, strategy: FirewallStrategy): void {
  const issues = strategyIssues(rules, strategy);
  if (issues.length > 0) throw new RulesRefusedError(issues);
}

/** Checked again, whoever checked before: what passes here is written into scripts. */
function shapeIssues({ fromPort, toPort, ipRanges }: FirewallRule, path: string): RuleIssue[] {
  const issues: RuleIssue[] = [];
  if (!isPort(fromPort)) issues.push({ path: `${path}.fromPort`, message: 'must be a port from 1 to 65535' });
  if (!isPort(toPort)) issues.push({ path: `${path}.toPort`, message: 'must be a port from 1 to 65535' });
  if (fromPort > toPort) issues.push({ path: `${path}.toPort`, message: 'must not be below fromPort' });
  for (const [index, range] of ipRanges.entries()) {
    if (!isCidr(range)) issues.push({ path: `${path}.ipRanges[${index}]`, message: 'must be a CIDR' });
  }
  return issues;
}

type Native = Extract<FirewallStrategy, { kind: 'native' }>;

function nativeIssues(rules: FirewallRules, { ipv6, egress, maxRules }: Native, path: string): RuleIssue[] {
  const issues: RuleIssue[] = [];
  if (egress === false) issues.push(...refuseEgress(rules, path));
  if (ipv6 === false) {
    for (const { cidr, at } of eachRange(rules, path)) {
      if (isIpv6(cidr))
        issues.push({ path: at, message: 'is an IPv6 network, and the provider’s firewall has IPv4 only' });
    }
  }
  if (maxRules !== undefined) issues.push(...countIssues(rules, maxRules, 'the provider’s firewall takes', path));
  return issues;
}

function allowlistIssues(rules: FirewallRules, path: string): RuleIssue[] {
  const issues = refuseEgress(rules, path);
  for (const [index, { fromPort, toPort, ipRanges }] of rules.ingressRules.entries()) {
    const at = `${path}.ingressRules[${index}]`;
    if (fromPort !== 1 || toPort !== 65_535) {
      issues.push({ path: at, message: 'must be for ports 1 to 65535: the provider lets a host in on every port' });
    }
    if (ipRanges.length === 0) {
      issues.push({ path: `${at}.ipRanges`, message: 'must name hosts: the provider cannot let everybody in' });
    }
  }
  for (const { cidr, at } of eachRange({ ...rules, egressRules: [] }, path)) {
    if (!isHost(cidr))
      issues.push({ path: at, message: 'must be a single host, /32 or /128: the provider takes no networks' });
  }
  return issues;
}

function refuseEgress(rules: FirewallRules, path: string): RuleIssue[] {
  return rules.egressRules.map((_rule, index) => ({
    path: `${path}.egressRules[${index}]`,
    message: 'cannot be set: the provider has no egress rules, and everything outbound is allowed',
  }));
}

function countIssues(rules: FirewallRules, max: number, who: string, path: string): RuleIssue[] {
  const { ingressRules, egressRules } = normaliseRules(rules);
  const count = grantsOf(ingressRules).length + grantsOf(egressRules).length;
  return count > max ? [{ path, message: `come to ${count} rules of one network each: ${who} at most ${max}` }] : [];
}

function eachRange(rules: FirewallRules, path: string): { cidr: string; at: string }[] {
  return DIRECTIONS.flatMap((direction) =>
    rules[direction].flatMap(({ ipRanges }, rule) =>
      ipRanges.map((cidr, index) => ({ cidr, at: `${path}.${direction}[${rule}].ipRanges[${index}]` })),
    ),
  );
}
