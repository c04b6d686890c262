import { type FirewallRule, type FirewallRules, type Grant, grantsOf } from './rules.js';
import { mustFit } from './strategy.js';

/**
 * UFW's commands, in the order of spec/contract.md 8.1: rules are complete before they are enabled, and SSH is among
 * them first. `rules` are checked and in normal form.
 *
 * One command per port range and network. A port without a protocol opens TCP and UDP; UFW refuses a range without one,
 * so a range takes two commands.
 */
export function ufwCommands(rules: FirewallRules, sshPorts: readonly number[]): string[] {
  return [
    'ufw --force reset',
    'ufw default deny incoming',
    'ufw default allow outgoing',
    ...sshPorts.map((port) => `ufw allow ${port}/tcp`),
    ...grantsOf(rules.ingressRules).flatMap((grant) => allow(`in from ${grant.cidr ?? 'any'} to any`, grant)),
    ...grantsOf(rules.egressRules).flatMap((grant) => allow(`out to ${grant.cidr ?? 'any'}`, grant)),
    'ufw --force enable',
  ];
}

/**
 * UFW's commands for one rule, on a machine whose firewall is up: they take effect at once and nothing else moves, where
 * a reset would leave the machine open for as long as it takes. A rule that is there, or is not, is no error.
 */
export function ufwRuleCommands(change: 'open' | 'close', side: keyof FirewallRules, rule: FirewallRule): string[] {
  mustFit({ ...NOTHING, [side]: [rule] }, { kind: 'host' });
  const commands = grantsOf([rule]).flatMap((grant) => {
    return allow(
      side === 'ingressRules' ? `in from ${grant.cidr ?? 'any'} to any` : `out to ${grant.cidr ?? 'any'}`,
      grant,
    );
  });
  return change === 'open'
    ? commands
    : commands.map((command) => command.replace('ufw allow', 'ufw --force delete allow'));
}

const NOTHING: FirewallRules = { ingressRules: [], egressRules: [] };

function allow(peer: string, { fromPort, toPort }: Grant): string[] {
  if (fromPort === toPort) return [`ufw allow ${peer} port ${fromPort}`];
  return ['tcp', 'udp'].map((proto) => `ufw allow ${peer} port ${fromPort}:${toPort} proto ${proto}`);
}
