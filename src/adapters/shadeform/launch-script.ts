import { type FirewallRules, renderLaunchScript } from '../../domain/firewall.js';

export interface LaunchParts {
  firewallRules: FirewallRules;
  /** The key that Shadeform itself puts on the machine: where it is, the others go too. */
  firstKey: string;
  otherKeys: readonly string[];
  /** The caller's own script, as text. */
  callers?: string;
}

/** Shadeform's own tools use it besides 22. */
const ALTERNATE_SSH_PORT = 2222;

/**
 * Everything a machine of ours does at its first boot, as one shell script: the firewall first, then the other keys,
 * then what the caller wants, which cannot undo that we ran. Root runs it.
 *
 * The other keys join the first one in whatever file it stands, for the SSH user's name differs between clouds. That
 * file may come a little later than the script: it waits up to two minutes.
 * @throws {RulesRefusedError}
 * @throws {TypeError} for user data that is no script.
 */
export function toLaunchScript({ firewallRules, firstKey, otherKeys, callers }: LaunchParts): string {
  return [
    '#!/bin/sh',
    '# Written by Slipway.',
    '(',
    renderLaunchScript(firewallRules, { sshPorts: [ALTERNATE_SSH_PORT] }).trimEnd(),
    ')',
    'failed=$?',
    ...(otherKeys.length > 0 ? authorise(firstKey, otherKeys) : []),
    ...(callers === undefined ? [] : run(callers)),
    'exit "$failed"',
    '',
  ].join('\n');
}

function authorise(firstKey: string, otherKeys: readonly string[]): string[] {
  return [
    'authorise() {',
    '  found=1',
    '  for file in /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys; do',
    `    grep -qF '${bodyOf(firstKey)}' "$file" 2>/dev/null || continue`,
    '    found=0',
    // The file may not end with a line break.
    ...otherKeys.flatMap((key) => [
      `    grep -qF '${bodyOf(key)}' "$file" ||`,
      `      printf '\\n%s\\n' '${bare(key)}' >>"$file"`,
    ]),
    '  done',
    '  return "$found"',
    '}',
    'tries=0',
    'until authorise || [ "$tries" -ge 60 ]; do',
    '  tries=$((tries + 1))',
    '  sleep 2',
    'done',
  ];
}

/** Shadeform runs a script and nothing else: other forms of user data would be ignored in silence. */
function run(callers: string): string[] {
  if (!callers.startsWith('#!')) {
    throw new TypeError('userDataBase64 must be a script ("#!…"): this provider runs no cloud-init for us');
  }
  const file = '/usr/local/sbin/slipway-user-data';
  return [
    `echo '${Buffer.from(callers).toString('base64')}' | base64 -d >${file}`,
    `chmod 0700 ${file}`,
    `${file} || failed=1`,
  ];
}

const KEY = /^([a-z][a-z0-9@.-]{2,63}) ([A-Za-z0-9+/]{40,}={0,3})(?: [^\r\n]*)?$/;

/** What stands between quotes of a shell must be checked, whoever checked before. */
function bare(key: string): string {
  const [, type, body] = KEY.exec(key.trim()) ?? [];
  if (type === undefined || body === undefined) throw new TypeError('publicKeys must be lines of OpenSSH form');
  return `${type} ${body}`;
}

function bodyOf(key: string): string {
  return bare(key).split(' ')[1] ?? '';
}
