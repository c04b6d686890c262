import { DOCKER_SCRIPT, renderDockerScript, renderDockerTables } from './docker-user.js';
import { normaliseRules } from './normalise.js';
import { type FirewallRules, isPort, ruleInWords } from './rules.js';
import { mustFit, RulesRefusedError } from './strategy.js';
import { ufwRuleCommands } from './ufw.js';
import { compareUfw, EVERYBODY, isEverybody, parseUfwPresent, type UfwRule } from './ufw-present.js';

/*
 * New rules for a firewall that stands on a machine in use: look what it has, then change the difference.
 *
 * What it has is read from UFW itself, as a vendor's firewall would be asked: what we believe may be wrong after a change
 * that was cut off, and UFW deletes a rule only if it is named exactly as it was given.
 */

export interface HostChangeScript {
  /** For a root shell's standard input. */
  text: string;
  /** Its steps in words, in order: `open 443`, `close 8000-8010 from 203.0.113.0/24`. It says `done 0`, `done 1` … */
  steps: string[];
}

const LOCK = '/run/slipway-firewall.lock';
const LOCK_SECONDS = 120;
const ALONE = `if command -v flock >/dev/null 2>&1; then exec 9>${LOCK} && flock -w ${LOCK_SECONDS} 9 || exit 75; fi`;
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH';

/** For a root shell's standard input: says what `renderHostChange` wants to know. Waits for a change that is at work. */
export const HOST_LOOK = [
  PATH,
  ALONE,
  'ufw version >/dev/null || exit 127',
  'test -r /etc/ufw/user.rules || exit 1',
  "cat /etc/ufw/user.rules /etc/ufw/user6.rules 2>/dev/null | grep '^### tuple ###'",
  'grep "^IPV6=" /etc/default/ufw',
  'exit 0',
  '',
].join('\n');

/** Beside the rules, SSH: on 22, on the alternate port that some providers use, and where else it answers. */
const SSH_PORTS = [22, 2222];

/**
 * A shell script that changes a firewall in use. Rules are opened before others are closed, one `ufw` command each, and
 * the chain of published container ports is exchanged in one transaction: at no moment is anything open that neither
 * the old rules nor the new ones allow (`ufw reset` would leave all open for seconds), and SSH never closes.
 *
 * The first step that fails ends it. It is read whole before it does anything, goes on when the connection is lost, and
 * waits for another one that is at work. Running it again changes nothing.
 * @param present What `HOST_LOOK` printed.
 * @param sshPort Where SSH answers on the machine, if not on 22.
 * @throws {RulesRefusedError} before anything is rendered.
 */
export function renderHostChange(rules: FirewallRules, present: string, sshPort = 22): HostChangeScript {
  mustFit(rules, { kind: 'host' });
  if (!isPort(sshPort)) throw new RulesRefusedError([{ path: 'sshPort', message: 'must be a port from 1 to 65535' }]);
  const wanted = normaliseRules(rules);
  const has = parseUfwPresent(present);
  const { open, close } = compareUfw(wanted, has, !/^IPV6=no/m.test(present));
  const kept = has.filter((rule) => isSsh(rule, SSH_PORTS)).map(({ fromPort }) => fromPort);
  const steps = [
    { words: 'keep SSH open', commands: [...new Set([22, sshPort])].map((port) => `ufw allow ${port}/tcp`) },
    ...open.map(({ side, grant: { cidr, ...ports } }) => {
      const rule = { ...ports, ipRanges: cidr === undefined ? [] : [cidr] };
      return { words: inWords('open', side, rule), commands: ufwRuleCommands('open', side, rule) };
    }),
    ...closings(close.filter((rule) => !isSsh(rule, [...SSH_PORTS, sshPort]))),
    publishedPorts(
      wanted,
      [...new Set([22, sshPort, ...kept])].sort((a, b) => a - b),
    ),
    { words: 'keep the firewall on', commands: ["{ ufw status | grep -q '^Status: active' || ufw --force enable; }"] },
  ];
  const text = [
    '# Written by Slipway: new rules for the firewall of this machine.',
    'main() {',
    "trap '' HUP PIPE",
    PATH,
    ALONE,
    ...steps.map(({ commands }, index) => {
      return `{ ${commands.join(' &&\n')}; } >/dev/null 2>&1 || exit 1; echo done ${index}`;
    }),
    'exit 0',
    '}',
    'main </dev/null',
    '',
  ].join('\n');
  return { text, steps: steps.map(({ words }) => words) };
}

interface Step {
  words: string;
  commands: string[];
}

function isSsh({ side, fromPort, toPort, proto, cidr }: UfwRule, ports: readonly number[]): boolean {
  return (
    side === 'ingressRules' && fromPort === toPort && ports.includes(fromPort) && proto === 'tcp' && isEverybody(cidr)
  );
}

/** One step for what a person would call one rule: both protocols, and both families of everybody. */
function closings(rules: readonly UfwRule[]): Step[] {
  const steps = new Map<string, Step>();
  for (const rule of rules) {
    const { side, fromPort, toPort, cidr } = rule;
    const ipRanges = isEverybody(cidr) ? [] : [cidr];
    const words = inWords('close', side, { fromPort, toPort, ipRanges });
    const step = steps.get(words) ?? { words, commands: [] };
    const isBoth = EVERYBODY.every((network) => rules.some((one) => isSame(one, { ...rule, cidr: network })));
    const command = deletion(rule, isEverybody(cidr) && isBoth ? 'any' : cidr);
    if (!step.commands.includes(command)) step.commands.push(command);
    steps.set(words, step);
  }
  return [...steps.values()];
}

function isSame(one: UfwRule, { side, fromPort, toPort, proto, cidr }: UfwRule): boolean {
  const isHere = one.side === side && one.fromPort === fromPort && one.toPort === toPort;
  return isHere && one.proto === proto && one.cidr === cidr;
}

function deletion({ side, fromPort, toPort, proto }: UfwRule, peer: string): string {
  const who = side === 'ingressRules' ? `in from ${peer} to any` : `out to ${peer}`;
  const ports = fromPort === toPort ? `${fromPort}` : `${fromPort}:${toPort}`;
  return `ufw --force delete allow ${who} port ${ports}${proto === 'any' ? '' : ` proto ${proto}`}`;
}

function inWords(change: 'open' | 'close', side: keyof FirewallRules, rule: Parameters<typeof ruleInWords>[0]): string {
  return `${change} ${side === 'egressRules' ? 'outbound ' : ''}${ruleInWords(rule)}`;
}

/** The script that Docker's hook runs is replaced first, so that a Docker that starts now has the new rules too. */
function publishedPorts(rules: FirewallRules, sshPorts: readonly number[]): Step {
  const { ipv4, ipv6 } = renderDockerTables(rules, sshPorts);
  return {
    words: 'the rules for published container ports',
    commands: [
      `mkdir -p ${DOCKER_SCRIPT.slice(0, DOCKER_SCRIPT.lastIndexOf('/'))}`,
      `${hereDocument(`cat >${DOCKER_SCRIPT}.new`, renderDockerScript(rules, sshPorts))}chmod 0755 ${DOCKER_SCRIPT}.new`,
      `mv ${DOCKER_SCRIPT}.new ${DOCKER_SCRIPT}`,
      hereDocument('iptables-restore -w 30 --noflush', ipv4) +
        `if ip6tables -w 30 -S INPUT; then\n${hereDocument('ip6tables-restore -w 30 --noflush', ipv6)}true; fi`,
    ],
  };
}

const END_OF_FILE = 'SLIPWAY_END_OF_FILE';

/** Ends with a line break: what is joined to it by `&&` stands on the next line. */
function hereDocument(command: string, text: string): string {
  return `${command} <<'${END_OF_FILE}' &&\n${text}${END_OF_FILE}\n`;
}
