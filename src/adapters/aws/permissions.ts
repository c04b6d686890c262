import type { IpPermission } from '@aws-sdk/client-ec2';
import { type FirewallRule, isIpv6, normaliseRules } from '../../domain/firewall.js';

/*
 * A rule of ours and EC2's form of it. Ours is for TCP and UDP at once; EC2 keeps each protocol and network by itself,
 * and "any" as two networks. So both are laid out flat, and compared like that.
 */

export interface FlatPermission {
  protocol: string;
  /** Absent with protocol -1: all. */
  fromPort?: number;
  toPort?: number;
  cidr: string;
}

const ANY = ['0.0.0.0/0', '::/0'] as const;
const PROTOCOLS = ['tcp', 'udp'] as const;

/** SSH stays open whatever the rules say: without it nobody, Slipway included, gets in to put them right. */
export const SSH: readonly FlatPermission[] = ANY.map((cidr) => ({ protocol: 'tcp', fromPort: 22, toPort: 22, cidr }));

/** In normal form: the same rules in another order, or in other pieces, are the same. */
export function toFlat(rules: readonly FirewallRule[]): FlatPermission[] {
  const { ingressRules } = normaliseRules({ ingressRules: [...rules], egressRules: [] });
  return ingressRules.flatMap(({ fromPort, toPort, ipRanges }) =>
    PROTOCOLS.flatMap((protocol) =>
      (ipRanges.length > 0 ? ipRanges : ANY).map((cidr) => ({ protocol, fromPort, toPort, cidr })),
    ),
  );
}

/** What we never set (other groups, prefix lists) is not there, and hence never revoked. */
export function flatten(permissions: readonly IpPermission[] = []): FlatPermission[] {
  return permissions.flatMap(({ IpProtocol = '-1', FromPort, ToPort, IpRanges = [], Ipv6Ranges = [] }) => {
    const cidrs = [...IpRanges.map(({ CidrIp }) => CidrIp), ...Ipv6Ranges.map(({ CidrIpv6 }) => CidrIpv6)];
    return cidrs
      .filter((cidr) => cidr !== undefined)
      .map((cidr) => ({ protocol: IpProtocol, fromPort: FromPort, toPort: ToPort, cidr }));
  });
}

/** All protocols, to everybody: as egress it is what every new group has, and it stays. */
export function isEverything({ protocol }: FlatPermission): boolean {
  return protocol === '-1';
}

/** Each once, for EC2 refuses a call that names one twice: a rule of the caller's for port 22 may be SSH's own. */
export function missingFrom(present: readonly FlatPermission[], wanted: readonly FlatPermission[]): FlatPermission[] {
  const missing = new Map(wanted.map((permission) => [keyOf(permission), permission]));
  for (const permission of present) missing.delete(keyOf(permission));
  return [...missing.values()];
}

export function toPermissions(flat: readonly FlatPermission[]): IpPermission[] {
  const grouped = new Map<string, IpPermission>();
  for (const { protocol, fromPort, toPort, cidr } of flat) {
    const key = `${protocol} ${fromPort}-${toPort}`;
    const one = grouped.get(key) ?? { IpProtocol: protocol, FromPort: fromPort, ToPort: toPort };
    if (isIpv6(cidr)) one.Ipv6Ranges = [...(one.Ipv6Ranges ?? []), { CidrIpv6: cidr }];
    else one.IpRanges = [...(one.IpRanges ?? []), { CidrIp: cidr }];
    grouped.set(key, one);
  }
  return [...grouped.values()];
}

/** For messages about a change that went half way: one rule per range of ports. */
export function toRule(flat: readonly FlatPermission[]): FirewallRule {
  const [first] = flat;
  const cidrs = [...new Set(flat.map(({ cidr }) => cidr))];
  const isAny = ANY.every((network) => cidrs.includes(network));
  return { fromPort: first?.fromPort ?? 1, toPort: first?.toPort ?? 65_535, ipRanges: isAny ? [] : cidrs };
}

/** What goes into one call: a range of ports, both protocols. */
export function byPorts(flat: readonly FlatPermission[]): FlatPermission[][] {
  const groups = new Map<string, FlatPermission[]>();
  for (const permission of flat) {
    const key = `${permission.fromPort}-${permission.toPort}`;
    groups.set(key, [...(groups.get(key) ?? []), permission]);
  }
  return [...groups.values()];
}

function keyOf({ protocol, fromPort, toPort, cidr }: FlatPermission): string {
  return `${protocol} ${fromPort}-${toPort} ${cidr}`;
}
