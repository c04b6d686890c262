import { type FirewallRules, isIpv6, normaliseRules } from '../../domain/firewall.js';
import type { LambdaFirewallRule } from './client.js';

/** Lambda's rules do not reach it: every port is open there, but for the machine's own firewall. */
const UNFILTERED_REGION = 'us-south-1';

/**
 * The ingress rules that the account's firewall keeps out, each in words; none where all get through.
 *
 * A rule of ours is for TCP and UDP; only TCP is looked at, since accounts open TCP alone as a matter of habit. IPv6 is
 * not looked at either: Lambda's firewall, and its machines' addresses, are IPv4.
 */
export function keptOut(
  { ingressRules }: FirewallRules,
  account: readonly LambdaFirewallRule[],
  region: string,
): string[] {
  if (region === UNFILTERED_REGION) return [];
  const open = account.filter(({ protocol }) => protocol === 'tcp' || protocol === 'all');
  const wanted = normaliseRules({ ingressRules, egressRules: [] }).ingressRules;
  return wanted.flatMap(({ fromPort, toPort, ipRanges }) => {
    const networks = ipRanges.length === 0 ? [EVERYBODY] : ipRanges.filter((range) => !isIpv6(range));
    const closed = networks.filter((network) => !isCovered(fromPort, toPort, network, open));
    return closed.map((network) => `ports ${fromPort}-${toPort} from ${network}`);
  });
}

const EVERYBODY = '0.0.0.0/0';

/** Rules that let the network in may cover the range between them. */
function isCovered(fromPort: number, toPort: number, network: string, open: readonly LambdaFirewallRule[]): boolean {
  const ranges = open
    .filter(({ source_network: source }) => contains(source, network))
    .map(({ port_range: range }) => range ?? ([1, 65_535] as const))
    .sort(([a], [b]) => a - b);
  let next = fromPort;
  for (const [from, to] of ranges) if (from <= next) next = Math.max(next, to + 1);
  return next > toPort;
}

/** IPv4 networks; a bare address is one host. What cannot be read contains nothing. */
function contains(outer: string, inner: string): boolean {
  const [a, b] = [toNetwork(outer), toNetwork(inner)];
  return (
    a !== undefined && b !== undefined && a.prefix <= b.prefix && cut(b.address, a.prefix) === cut(a.address, a.prefix)
  );
}

function toNetwork(text: string): { address: number; prefix: number } | undefined {
  const [, address = '', prefix = '32'] = /^(\d{1,3}(?:\.\d{1,3}){3})(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  const octets = address.split('.').map(Number);
  if (octets.length !== 4 || octets.some((octet) => octet > 255) || Number(prefix) > 32) return undefined;
  return { address: octets.reduce((sum, octet) => sum * 256 + octet, 0), prefix: Number(prefix) };
}

function cut(address: number, prefix: number): number {
  return Math.floor(address / 2 ** (32 - prefix));
}
