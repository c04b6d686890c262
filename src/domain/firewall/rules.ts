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

export const DIRECTIONS = ['ingressRules', 'egressRules'] as const satisfies readonly (keyof FirewallRules)[];

export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** One port range for one network: what a packet filter is told. */
export interface Grant {
  fromPort: number;
  toPort: number;
  /** Absent: from any address, IPv4 and IPv6. */
  cidr?: string;
}

/** A rule as its grants, in the order of its networks. */
export function grantsOf(rules: readonly FirewallRule[]): Grant[] {
  return rules.flatMap(({ fromPort, toPort, ipRanges }) =>
    ipRanges.length === 0 ? [{ fromPort, toPort }] : ipRanges.map((cidr) => ({ fromPort, toPort, cidr })),
  );
}

/** `8000-8010 from 203.0.113.0/24, 2001:db8::/32`; from anywhere: the ports alone. */
export function ruleInWords({ fromPort, toPort, ipRanges }: FirewallRule): string {
  const ports = fromPort === toPort ? `${fromPort}` : `${fromPort}-${toPort}`;
  return ipRanges.length === 0 ? ports : `${ports} from ${ipRanges.join(', ')}`;
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
