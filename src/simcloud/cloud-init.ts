import type { NewFirewallRule, NewFirewallRules } from './types.js';

/** What a machine's first boot makes of its user data, as far as anybody outside can tell. */
export interface FirstBoot {
  /** Keys that the default user lets in besides those of the create. */
  publicKeys: string[];
  /** What UFW lets through once it is enabled; absent: the machine has no firewall of its own. */
  firewall?: NewFirewallRules;
}

/**
 * Reads user data as cloud-init, or a root shell, would run it: `#cloud-config`, scripts, and multipart of both.
 *
 * Not a YAML parser and not a shell: it knows `ssh_authorized_keys` as a list at the top, a quoted key that a script adds
 * to a file, and UFW commands that stand on a line of their own, in runcmd or in a script (after `try`, too). All else is accepted and does nothing.
 */
export function readUserData(text: string): FirstBoot {
  const parts = partsOf(text);
  const publicKeys = parts.flatMap((part) => (isCloudConfig(part) ? authorizedKeys(part) : appendedKeys(part)));
  const commands = parts.flatMap(ufwCommands);
  return { publicKeys: [...new Set(publicKeys)], ...(commands.includes(ENABLE) && { firewall: toRules(commands) }) };
}

const ENABLE = 'ufw --force enable';

function isCloudConfig(text: string): boolean {
  return text.startsWith('#cloud-config');
}

/** The leaves of a MIME message, nested ones too; other text is its own only part. */
function partsOf(text: string): string[] {
  const normal = text.replaceAll('\r\n', '\n');
  const [, headers = '', body = ''] = /^((?:[\w-]+:.*\n(?:[ \t].*\n)*)+)\n([\s\S]*)$/.exec(normal) ?? [];
  if (headers === '') return [normal];
  const boundary = /boundary="?([^"\n;]+)"?/i.exec(headers)?.[1];
  if (boundary === undefined) return [body];
  const [, ...pieces] = `\n${body}`.split(`\n--${boundary}`);
  return pieces.filter((piece) => !piece.startsWith('--')).flatMap((piece) => partsOf(piece.slice(1)));
}

function authorizedKeys(text: string): string[] {
  const [, after = ''] = text.split(/^ssh_authorized_keys:[ \t]*\n/m);
  const lines = after.split('\n');
  const end = lines.findIndex((line) => !/^\s*- /.test(line));
  return lines.slice(0, end < 0 ? lines.length : end).map((line) => unquoted(line.replace(/^\s*- /, '').trim()));
}

/** In a script, or in one that it unpacks: a key between quotes that is added to a file. */
function appendedKeys(text: string): string[] {
  const unpacked = [...text.matchAll(/echo '([A-Za-z0-9+/=]{16,})' \| base64 -d/g)].map(([, inner = '']) => inner);
  const scripts = [text, ...unpacked.map((inner) => Buffer.from(inner, 'base64').toString())];
  return scripts.flatMap(quotedKeys);
}

function quotedKeys(text: string): string[] {
  return [...text.matchAll(/'((?:ssh|ecdsa|sk)-[^']+)' *>>/g)].map(([, key = '']) => key);
}

function ufwCommands(text: string): string[] {
  return text
    .split('\n')
    .map((line) => unquoted(line.trim().replace(/^- /, '').trim()).replace(/^try /, ''))
    .filter((line) => line.startsWith('ufw '));
}

function unquoted(text: string): string {
  if (text.startsWith('"') && text.endsWith('"')) return String(JSON.parse(text));
  return text.replace(/^'(.*)'$/, '$1');
}

const SSH = /^ufw allow (\d+)\/tcp$/;
const ALLOW = /^ufw allow (?:in from (\S+) to any|(out) to (\S+)) port (\d+)(?::(\d+) proto (?:tcp|udp))?$/;

/** A range comes twice, for TCP and for UDP: equal rules become one in the core. */
function toRules(commands: string[]): NewFirewallRules {
  const ingressRules: NewFirewallRule[] = [];
  const egressRules: NewFirewallRule[] = [];
  for (const command of commands) {
    const ssh = SSH.exec(command)?.[1];
    if (ssh !== undefined) ingressRules.push({ fromPort: Number(ssh), toPort: Number(ssh), ipRanges: [] });
    const [, source, out, destination, from, to] = ALLOW.exec(command) ?? [];
    if (from === undefined) continue;
    const network = source ?? destination ?? 'any';
    const rule = {
      fromPort: Number(from),
      toPort: Number(to ?? from),
      ipRanges: network === 'any' ? [] : [network],
    };
    (out ? egressRules : ingressRules).push(rule);
  }
  return { ingressRules, egressRules };
}
