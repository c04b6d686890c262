import { canonicalCidr, isCidr, isIpv6 } from './cidr.js';
import { type FirewallRules, type Grant, grantsOf, isPort } from './rules.js';

/** One rule of UFW's, of one address family: a port range of one protocol (or of both), for one network. */
export interface UfwRule {
  side: keyof FirewallRules;
  fromPort: number;
  toPort: number;
  proto: 'any' | 'tcp' | 'udp';
  /** Canonical; everybody is `0.0.0.0/0` or `::/0`. */
  cidr: string;
}

export const EVERYBODY = ['0.0.0.0/0', '::/0'] as const;

/** `### tuple ### allow tcp 8500:8510 0.0.0.0/0 any 10.0.0.0/8 in`: action, protocol, port, to, port, from, direction. */
const TUPLE =
  /^### tuple ### allow (any|tcp|udp) (\d+)(?::(\d+))? ([0-9a-fA-F:./]+) any ([0-9a-fA-F:./]+) (in|out)(?: comment=[0-9a-f]*)?$/gm;

/**
 * Reads what UFW keeps in `/etc/ufw/user.rules` and `user6.rules`: those rules that could be ours. Others (an interface,
 * a limit, a denial, a list of ports, an application profile, no port at all, a source port) say something that our rules
 * cannot, and are left out: they stay on the machine. docs/firewall-and-ssh.md names them.
 */
export function parseUfwPresent(text: string): UfwRule[] {
  return [...text.matchAll(TUPLE)].flatMap(([, proto, from, to = from, destination = '', source = '', direction]) => {
    const [peer, own] = direction === 'in' ? [source, destination] : [destination, source];
    const network = peer.includes('/') ? peer : `${peer}/${peer.includes(':') ? 128 : 32}`;
    const rule = { fromPort: Number(from), toPort: Number(to), proto: proto as UfwRule['proto'] };
    if (!isEverybody(own) || !isCidr(network) || !isPort(rule.fromPort) || !isPort(rule.toPort)) return [];
    const side = direction === 'in' ? ('ingressRules' as const) : ('egressRules' as const);
    return [{ side, ...rule, cidr: canonicalCidr(network) }];
  });
}

/** What UFW keeps of a grant, once it has it. */
export function ufwRulesOf(side: keyof FirewallRules, { fromPort, toPort, cidr }: Grant): UfwRule[] {
  const protos = fromPort === toPort ? (['any'] as const) : (['tcp', 'udp'] as const);
  const networks = cidr === undefined ? EVERYBODY : [canonicalCidr(cidr)];
  return networks.flatMap((network) => protos.map((proto) => ({ side, fromPort, toPort, proto, cidr: network })));
}

export function isEverybody(cidr: string): boolean {
  return EVERYBODY.some((network) => network === cidr);
}

export function keyOf({ side, fromPort, toPort, proto, cidr }: UfwRule): string {
  return `${side} ${fromPort}-${toPort} ${proto} ${cidr}`;
}

/** What must be opened, grant by grant, and what closed, so that UFW has the rules; in normal form. */
export function compareUfw(
  rules: FirewallRules,
  present: readonly UfwRule[],
  isIpv6Known: boolean,
): { open: { side: keyof FirewallRules; grant: Grant }[]; close: UfwRule[] } {
  const grants = (['ingressRules', 'egressRules'] as const).flatMap((side) =>
    grantsOf(rules[side]).map((grant) => ({ side, grant, kept: ufwRulesOf(side, grant) })),
  );
  const has = new Set(present.map(keyOf));
  const wanted = new Set(grants.flatMap(({ kept }) => kept.map(keyOf)));
  const isThere = (rule: UfwRule): boolean => has.has(keyOf(rule)) || (!isIpv6Known && isIpv6(rule.cidr));
  return {
    open: grants.filter(({ kept }) => !kept.every(isThere)).map(({ side, grant }) => ({ side, grant })),
    close: present.filter((rule) => !wanted.has(keyOf(rule))),
  };
}
