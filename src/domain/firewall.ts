/** Ingress and egress that a machine allows. Inbound all else is denied, but SSH; outbound all is allowed. */
export interface FirewallRules {
  ingressRules: FirewallRule[];
  egressRules: FirewallRule[];
}

/** One port range, TCP and UDP alike, for some networks. No `ipRanges`: for any. */
export interface FirewallRule {
  fromPort: number;
  toPort: number;
  ipRanges: string[];
}

export const NO_RULES: FirewallRules = { ingressRules: [], egressRules: [] };

export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** The same rules in any order, and with or without repeats, come out the same. */
export function normaliseRules(rules: FirewallRules): FirewallRules {
  return { ingressRules: normalise(rules.ingressRules), egressRules: normalise(rules.egressRules) };
}

function normalise(rules: readonly FirewallRule[]): FirewallRule[] {
  const byKey = new Map<string, FirewallRule>();
  for (const rule of rules) {
    const ipRanges = [...new Set(rule.ipRanges.map((range) => range.toLowerCase()))].sort();
    const tidy = { fromPort: rule.fromPort, toPort: rule.toPort, ipRanges };
    byKey.set(JSON.stringify(tidy), tidy);
  }
  return [...byKey.values()].sort(
    (a, b) => a.fromPort - b.fromPort || a.toPort - b.toPort || compare(a.ipRanges.join(), b.ipRanges.join()),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sameRules(a: FirewallRules, b: FirewallRules): boolean {
  return JSON.stringify(normaliseRules(a)) === JSON.stringify(normaliseRules(b));
}

const V4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/;
const HEXTET = /^[0-9a-f]{1,4}$/i;

/** An IPv4 or IPv6 network in CIDR form. Checked by hand, for it runs where nothing else is at hand. */
export function isCidr(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const v4 = V4.exec(value);
  if (v4) return v4.slice(1, 5).every((part) => Number(part) <= 255) && Number(v4[5]) <= 32;
  const [address, prefix, ...rest] = value.split('/');
  if (!address || !prefix || rest.length > 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > 128) return false;
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  return groups.every((group) => HEXTET.test(group)) && (halves.length === 2 ? groups.length < 8 : groups.length === 8);
}
