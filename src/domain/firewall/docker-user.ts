import { isIpv6 } from './cidr.js';
import { type FirewallRules, type Grant, grantsOf } from './rules.js';

/*
 * Docker's NAT and FORWARD rules pass by UFW's INPUT policy: without this, `docker run -p` is open to the world.
 * Docker rebuilds its chains whenever it starts, and cloud-init's runcmd runs at the first boot only: hence a script,
 * run by a hook of docker.service. (iptables-persistent was tried by others and flushed UFW's rules.)
 */

/** Rebuilds the chain; always exits 0. */
export const DOCKER_SCRIPT = '/usr/local/sbin/slipway-docker-firewall.sh';
export const DOCKER_HOOK = '/etc/systemd/system/docker.service.d/10-slipway-firewall.conf';

/** The `-` keeps a failing firewall script from failing Docker. */
export const DOCKER_HOOK_TEXT = `[Service]\nExecStartPost=-${DOCKER_SCRIPT}\n`;

const SSH_PORT = 22;
const BRIDGES = ['docker0', 'br+'];
const PODS = ['cni+', 'cali+'];

/**
 * The script that fills DOCKER-USER in the order of spec/contract.md 8.2, for IPv4 and IPv6.
 *
 * A published port is matched by the port the caller dialled (`--ctorigdstport`): here its destination is already
 * translated, and with `-p 8080:80` a plain `--dport 8080` would never match. `rules` are checked and in normal form.
 * SSH's ports are open as they are in UFW, for a container that is the workload and has SSH itself (decision 0026).
 */
export function renderDockerScript(rules: FirewallRules, sshPorts: readonly number[] = [SSH_PORT]): string {
  const grants = grantsOf(rules.ingressRules);
  return [
    '#!/bin/sh',
    '# Written by Slipway: published container ports obey the firewall of the machine.',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    '# Docker may be at its own rules right now: wait for the lock instead of losing a line.',
    'iptables() { command iptables -w 30 "$@"; }',
    ...chain('iptables', grants.filter(isForIpv4), sshPorts),
    'command -v ip6tables >/dev/null 2>&1 || exit 0',
    'ip6tables() { command ip6tables -w 30 "$@"; }',
    ...chain('ip6tables', grants.filter(isForIpv6), sshPorts),
    'exit 0',
    '',
  ].join('\n');
}

/**
 * The same chains for `iptables-restore --noflush` and `ip6tables-restore --noflush`: each is exchanged in one
 * transaction, where a flush would leave published ports open until the last line is back.
 */
export function renderDockerTables(
  rules: FirewallRules,
  sshPorts: readonly number[] = [SSH_PORT],
): { ipv4: string; ipv6: string } {
  const grants = grantsOf(rules.ingressRules);
  const table = (mine: readonly Grant[]): string =>
    [
      '*filter',
      ':DOCKER-USER - [0:0]', // makes the chain, or empties it, in the same transaction
      ...chainRules(mine, sshPorts).map((rule) => `-A DOCKER-USER ${rule}`),
      'COMMIT',
      '',
    ].join('\n');
  return { ipv4: table(grants.filter(isForIpv4)), ipv6: table(grants.filter(isForIpv6)) };
}

function isForIpv4({ cidr }: Grant): boolean {
  return cidr === undefined || !isIpv6(cidr);
}

function isForIpv6({ cidr }: Grant): boolean {
  return cidr === undefined || isIpv6(cidr);
}

function chainRules(grants: readonly Grant[], sshPorts: readonly number[]): string[] {
  const interfaces = [...BRIDGES, ...PODS];
  return [
    '-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
    ...interfaces.map((name) => `-i ${name} ! -o ${name} -j ACCEPT`), // containers and pods reach the outside
    ...interfaces.map((name) => `-i ${name} -o ${name} -j ACCEPT`), //   and each other
    '-i lo -j ACCEPT', //  local access to published ports
    '-i wt0 -j ACCEPT', // NetBird's overlay
    ...sshPorts.map((port) => published('tcp', `${port}`)),
    ...grants.flatMap(publishedGrant),
    '-j DROP',
  ];
}

function chain(iptables: string, grants: readonly Grant[], sshPorts: readonly number[]): string[] {
  return [
    `${iptables} -N DOCKER-USER 2>/dev/null`, // Docker may not have made it yet
    `${iptables} -F DOCKER-USER`,
    ...chainRules(grants, sshPorts).map((rule) => `${iptables} -A DOCKER-USER ${rule}`),
  ];
}

function publishedGrant({ fromPort, toPort, cidr }: Grant): string[] {
  const ports = fromPort === toPort ? `${fromPort}` : `${fromPort}:${toPort}`;
  const source = cidr === undefined ? '' : `-s ${cidr} `;
  return ['tcp', 'udp'].map((proto) => source + published(proto, ports));
}

function published(proto: string, ports: string): string {
  return `-p ${proto} -m conntrack --ctorigdstport ${ports} --ctdir ORIGINAL -j ACCEPT`;
}
