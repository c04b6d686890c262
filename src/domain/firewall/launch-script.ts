import { DOCKER_HOOK, DOCKER_HOOK_TEXT, DOCKER_SCRIPT, renderDockerScript } from './docker-user.js';
import { normaliseRules } from './normalise.js';
import { type FirewallRules, isPort } from './rules.js';
import { mustFit, RulesRefusedError } from './strategy.js';
import { ufwCommands } from './ufw.js';

export interface HostOptions {
  /** Where else than on 22 SSH answers: 2222 on providers with an alternate port. Never closed. */
  sshPorts?: readonly number[];
}

/** Everything the machine's firewall consists of; launch script and cloud-config say the same in two forms. */
export interface HostFirewall {
  files: { path: string; mode: '0755' | '0644'; text: string }[];
  ufw: string[];
}

/** @throws {RulesRefusedError} before anything is rendered. */
export function toHostFirewall(rules: FirewallRules, { sshPorts = [] }: HostOptions): HostFirewall {
  mustFit(rules, { kind: 'host' });
  const issues = sshPorts.flatMap((port, index) =>
    isPort(port) ? [] : [{ path: `sshPorts[${index}]`, message: 'must be a port from 1 to 65535' }],
  );
  if (issues.length > 0) throw new RulesRefusedError(issues);
  const normal = normaliseRules(rules);
  const open = [22, ...[...new Set(sshPorts)].filter((port) => port !== 22).sort((a, b) => a - b)];
  return {
    files: [
      { path: DOCKER_SCRIPT, mode: '0755', text: renderDockerScript(normal, open) },
      { path: DOCKER_HOOK, mode: '0644', text: DOCKER_HOOK_TEXT },
    ],
    ufw: ufwCommands(normal, open),
  };
}

/** UFW skips IPv6 where this says no, and the machine would be open there. A kernel without IPv6 is no error. */
export const UFW_WITH_IPV6 = "sed -i 's/^IPV6=.*/IPV6=yes/' /etc/default/ufw";

/** At first boot another apt may hold the lock for minutes. */
export const APT_LOCK_SECONDS = 600;

const END_OF_FILE = 'SLIPWAY_END_OF_FILE';

/**
 * A shell script for a root shell at boot: installs what is missing, writes the Docker hook, then UFW. Safe to run
 * again: the same rules give the same files and chains.
 *
 * A command that fails is named on stderr and the rest still runs, since a rule that is missing keeps a port closed;
 * the script then exits 1. Docker's chain never fails it.
 * @throws {RulesRefusedError}
 */
export function renderLaunchScript(rules: FirewallRules, options: HostOptions = {}): string {
  const { files, ufw } = toHostFirewall(rules, options);
  return [
    '#!/bin/sh',
    '# Written by Slipway: everything inbound is denied, but SSH and the rules below.',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'export PATH DEBIAN_FRONTEND=noninteractive',
    'failed=0',
    'try() { "$@" || { echo "slipway-firewall: failed: $*" >&2; failed=1; }; }',
    'if ! command -v ufw >/dev/null 2>&1 || ! command -v iptables >/dev/null 2>&1; then',
    `  try apt-get -o DPkg::Lock::Timeout=${APT_LOCK_SECONDS} update`,
    `  try apt-get -o DPkg::Lock::Timeout=${APT_LOCK_SECONDS} install -y ufw iptables`,
    'fi',
    ...files.flatMap(({ path, mode, text }) => [
      `mkdir -p ${path.slice(0, path.lastIndexOf('/'))}`,
      `cat >${path} <<'${END_OF_FILE}'`,
      text + END_OF_FILE,
      `chmod ${mode} ${path}`,
    ]),
    'if [ -d /run/systemd/system ]; then try systemctl daemon-reload; fi',
    `try ${UFW_WITH_IPV6}`,
    ...ufw.map((command) => `try ${command}`),
    `${DOCKER_SCRIPT} || true`,
    'exit "$failed"',
    '',
  ].join('\n');
}
