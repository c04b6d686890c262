import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { FirewallRule, FirewallRules } from './types.js';

/*
 * What a simulated firewall can do on loopback. A real one drops packets, and the caller times out. Here nothing can
 * be dropped without netfilter, so:
 *
 * - a port that no rule opens to anybody on loopback is not bound: the caller is refused at once;
 * - a port that is open to some loopback addresses only is bound, and a caller from another address is reset before a
 *   byte is sent. (A bare dial succeeds there: whoever tests a firewall by dialling should use a whole-loopback rule.)
 *
 * Everything is denied except SSH, which is open to all until a rule covers port 22: then only as that rule says.
 * Egress rules are kept and shown; machines here send nothing.
 */

export const SSH_PORT = 22;

/** 127.0.0.0/8: the only callers there are. */
const LOOPBACK = { network: 0x7f00_0000, prefix: 8 };

export function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined;
}

/** Whether a packet from `remote` to the machine's `port` gets through. `port` is the one inside: 22 for SSH. */
export function admits(rules: FirewallRules, port: number, remote: string): boolean {
  const covering = rulesFor(rules, port);
  if (covering.length === 0) return port === SSH_PORT;
  return covering.some((rule) => rule.ipRanges.length === 0 || rule.ipRanges.some((range) => contains(range, remote)));
}

/** Whether anybody on this computer may get through: what decides if the port is bound at all. */
export function admitsAnyLoopback(rules: FirewallRules, port: number): boolean {
  const covering = rulesFor(rules, port);
  if (covering.length === 0) return port === SSH_PORT;
  return covering.some((rule) => rule.ipRanges.length === 0 || rule.ipRanges.some(touchesLoopback));
}

function rulesFor(rules: FirewallRules, port: number): FirewallRule[] {
  return rules.ingressRules.filter((rule) => rule.fromPort <= port && port <= rule.toPort);
}

function contains(range: string, remote: string): boolean {
  const cidr = parseCidr(range);
  if (!cidr) return false;
  const list = new BlockList();
  list.addSubnet(cidr.network, cidr.prefix, cidr.family);
  return list.check(remote, isIPv6(remote) ? 'ipv6' : 'ipv4');
}

function touchesLoopback(range: string): boolean {
  const cidr = parseCidr(range);
  if (cidr?.family !== 'ipv4') return false;
  const bits = Math.min(cidr.prefix, LOOPBACK.prefix);
  if (bits === 0) return true;
  return toNumber(cidr.network) >>> (32 - bits) === LOOPBACK.network >>> (32 - bits);
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0) >>> 0;
}

/** A bare address is a range of one. */
function parseCidr(text: string): { network: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [network = '', prefixText, ...rest] = text.split('/');
  const family = isIPv4(network) ? 'ipv4' : isIPv6(network) ? 'ipv6' : undefined;
  if (!family || rest.length > 0) return undefined;
  const widest = family === 'ipv4' ? 32 : 128;
  if (prefixText === undefined) return { network, prefix: widest, family };
  const prefix = Number(prefixText);
  return /^\d{1,3}$/.test(prefixText) && prefix <= widest ? { network, prefix, family } : undefined;
}
