import { DOCKER_SCRIPT } from './docker-user.js';
import { APT_LOCK_SECONDS, type HostOptions, toHostFirewall, UFW_WITH_IPV6 } from './launch-script.js';
import type { FirewallRules } from './rules.js';
import { RulesRefusedError } from './strategy.js';

export interface CloudConfigOptions extends HostOptions {
  /** OpenSSH form, a line each, for the image's default user. Comments are left out. */
  publicKeys?: readonly string[];
}

/**
 * The same firewall as a `#cloud-config` for cloud-init's first boot.
 * @throws {RulesRefusedError} also for a key that is not one line of OpenSSH form.
 */
export function renderCloudConfig(rules: FirewallRules, options: CloudConfigOptions = {}): string {
  const { files, ufw } = toHostFirewall(rules, options);
  const keys = toKeys(options.publicKeys ?? []);
  return [
    '#cloud-config',
    'apt:',
    `  conf: ${quote(`DPkg::Lock::Timeout "${APT_LOCK_SECONDS}";`)}`,
    'package_update: true',
    'packages:',
    ...['ufw', 'iptables'].map((name) => `  - ${quote(name)}`),
    ...(keys.length > 0 ? ['ssh_authorized_keys:', ...keys.map((key) => `  - ${quote(key)}`)] : []),
    'write_files:',
    ...files.flatMap(({ path, mode, text }) => [
      `  - path: ${quote(path)}`,
      `    owner: ${quote('root:root')}`,
      `    permissions: ${quote(mode)}`,
      `    encoding: ${quote('b64')}`,
      `    content: ${quote(btoa(text))}`,
    ]),
    'runcmd:',
    ...['systemctl daemon-reload', UFW_WITH_IPV6, ...ufw, `${DOCKER_SCRIPT} || true`].map(
      (line) => `  - ${quote(line)}`,
    ),
    '',
  ].join('\n');
}

/** A JSON string of ASCII is a YAML string, with the same escapes. Everything rendered here is ASCII. */
function quote(text: string): string {
  return JSON.stringify(text);
}

const KEY = /^([a-z][a-z0-9@.-]{2,63} [A-Za-z0-9+/]{40,}={0,3})(?: [^\r\n]*)?$/;

function toKeys(lines: readonly string[]): string[] {
  const keys = lines.map((line) => KEY.exec(line)?.[1]);
  const issues = keys.flatMap((key, index) =>
    key ? [] : [{ path: `publicKeys[${index}]`, message: 'must be one line: "ssh-ed25519 AAAA…"' }],
  );
  if (issues.length > 0) throw new RulesRefusedError(issues);
  return [...new Set(keys.filter((key) => key !== undefined))];
}
