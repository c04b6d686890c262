import { BlockList, isIPv6 } from 'node:net';
import { type FirewallRule, type FirewallRules, normaliseRules, ruleInWords } from '../../domain/firewall.js';
import type { PortMapping } from '../../domain/provider.js';
import type { FirewallClaim } from '../types.js';

/** A port to be proved, and whose word it is. */
export interface PortToProve {
  port: number;
  /** In words, such as `443` or `8000-8010 from 203.0.113.0/24`; absent: no rule speaks of it. */
  rule?: string;
  /** The rule was taken away. */
  isRevoked?: true;
  /** Where it is to be had from outside, if not as itself. */
  publicPort?: number;
}

export interface PortsToProve {
  /** Each of these must answer us: one port of each rule that lets us in. */
  open: PortToProve[];
  /** The first of these that something can be made to listen on must not: no rule speaks of them. */
  spare: PortToProve[];
  /** None of these may: one of each rule that was taken away. */
  revoked: PortToProve[];
  /** What cannot be proved from here, in words, as `rule 8080 is gone`. */
  unproved: string[];
}

/** Each is dialled at the same moment, from here or by a bastion. */
const MOST_OF_A_KIND = 16;
/** The first port to be looked at for one that no rule speaks of: spec/contract.md section 7 uses it too. */
const FIRST_SPARE = 9_999;
/** Something may listen there for the machine alone: then the next. */
const SPARES = 3;
const UNPRIVILEGED = 1_024;
const LAST = 65_535;

/**
 * Chooses the ports that prove a claim.
 * @param us Our address as the machine sees it; absent: nobody told, and only rules for everybody can be proved open.
 * @param ssh Ports of SSH, which are always open.
 * @param mappings Where the address is not the machine's alone: only these of its ports can be dialled there. What
 *   nobody maps is silent whatever the firewall does, and proves nothing.
 */
export function choosePorts(
  claim: FirewallClaim,
  us: string | undefined,
  ssh: readonly number[],
  mappings: readonly PortMapping[] = [],
): PortsToProve {
  const publicPorts = new Map(mappings.map(({ port, publicPort }) => [port, publicPort]));
  const mapped = (one: PortToProve): PortToProve => {
    const publicPort = publicPorts.get(one.port);
    return publicPort === undefined ? one : { ...one, publicPort };
  };
  const isFree = (port: number): boolean => !ssh.includes(port);
  const isMapped = mappings.length > 0;
  const isDialled = (port: number): boolean => isFree(port) && (!isMapped || publicPorts.has(port));
  const now = claim.rules.ingressRules;

  const isShutNow = (port: number): boolean =>
    isDialled(port) && now.every((rule) => !covers(rule, port) || letsIn(rule, us) === false);
  const isOfSsh = ({ fromPort, toPort }: FirewallRule): boolean => firstPort(fromPort, toPort, isFree) === undefined;
  const isGone = (rule: FirewallRule): boolean => !isOfSsh(rule) && !isWithin(rule, claim.rules);

  const open = prove(
    now.filter((rule) => !isOfSsh(rule)),
    us,
    isDialled,
  );
  const revoked = prove((claim.before?.ingressRules ?? []).filter(isGone), us, isShutNow);
  const isSpare = (port: number): boolean => isFree(port) && !now.some((rule) => covers(rule, port));
  const spare = isMapped ? [...publicPorts.keys()].filter(isSpare).slice(0, SPARES) : sparePorts(isSpare);
  return {
    open: once(open.ports).map(mapped),
    spare: spare.map((port) => mapped({ port })),
    revoked: once(revoked.ports).map((one) => mapped({ ...one, isRevoked: true })),
    unproved: [
      ...(spare.length === 0
        ? [`that a port without a rule is shut: there is none${isMapped ? ' that is mapped' : ''}`]
        : []),
      ...open.others.map((rule) => `rule ${rule}`),
      ...revoked.others.map((rule) => `rule ${rule} is gone`),
    ],
  };
}

/** One port of each rule for us, as far as there is one that fits; the other rules in words. */
function prove(
  rules: readonly FirewallRule[],
  us: string | undefined,
  fits: (port: number) => boolean,
): { ports: PortToProve[]; others: string[] } {
  const ports = rules
    .filter((rule) => letsIn(rule, us) === true)
    .flatMap((rule) => toProve(rule, fits))
    .slice(0, MOST_OF_A_KIND);
  const proved = new Set(ports.map(({ rule }) => rule));
  return { ports, others: rules.map(ruleInWords).filter((rule) => !proved.has(rule)) };
}

/** Whether all that the rule opens is open by these, too. */
function isWithin(rule: FirewallRule, rules: FirewallRules): boolean {
  const allowed = normaliseRules(rules).ingressRules;
  const opened = normaliseRules({ ingressRules: [rule], egressRules: [] }).ingressRules;
  return opened.every(({ fromPort, toPort, ipRanges }) => {
    const around = allowed.filter((other) => covers(other, fromPort) && covers(other, toPort));
    const isForAll = around.some((other) => other.ipRanges.length === 0);
    const isForEach = ipRanges.every((range) => around.some((other) => other.ipRanges.includes(range)));
    return isForAll || (ipRanges.length > 0 && isForEach);
  });
}

function sparePorts(isSpare: (port: number) => boolean): number[] {
  const ports: number[] = [];
  while (ports.length < SPARES) {
    const isNew = (port: number): boolean => isSpare(port) && !ports.includes(port);
    const next = firstPort(FIRST_SPARE, LAST, isNew) ?? firstPort(UNPRIVILEGED, FIRST_SPARE, isNew);
    if (next === undefined) break;
    ports.push(next);
  }
  return ports;
}

function toProve(rule: FirewallRule, fits: (port: number) => boolean): PortToProve[] {
  const port = firstPort(rule.fromPort, rule.toPort, fits);
  return port === undefined ? [] : [{ port, rule: ruleInWords(rule) }];
}

/** Ports below 1024 last: to listen there takes root. */
function firstPort(from: number, to: number, fits: (port: number) => boolean): number | undefined {
  for (let port = Math.max(from, UNPRIVILEGED); port <= to; port++) if (fits(port)) return port;
  for (let port = from; port <= Math.min(to, UNPRIVILEGED - 1); port++) if (fits(port)) return port;
  return undefined;
}

function once(ports: readonly PortToProve[]): PortToProve[] {
  return ports.filter(({ port }, index) => ports.findIndex((other) => other.port === port) === index);
}

function covers({ fromPort, toPort }: FirewallRule, port: number): boolean {
  return fromPort <= port && port <= toPort;
}

/** Whether the rule is for us; `undefined` where nobody knows. */
function letsIn({ ipRanges }: FirewallRule, us: string | undefined): boolean | undefined {
  if (ipRanges.length === 0) return true;
  if (us === undefined) return undefined;
  const networks = new BlockList();
  for (const range of ipRanges) {
    const [network = '', prefix] = range.split('/');
    networks.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4');
  }
  return networks.check(us, isIPv6(us) ? 'ipv6' : 'ipv4');
}
