import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DOCKER_HOOK,
  DOCKER_SCRIPT,
  type FirewallRules,
  NO_RULES,
  normaliseRules,
  parseUfwRules,
  RulesRefusedError,
  renderCloudConfig,
  renderLaunchScript,
} from '../../src/domain/firewall.js';
import { anyRules, ingress } from './firewall-support.js';

const RULES: FirewallRules = {
  ingressRules: [
    { fromPort: 443, toPort: 443, ipRanges: ['203.0.113.7/24', '2001:db8::1/32'] },
    { fromPort: 8000, toPort: 8010, ipRanges: [] },
  ],
  egressRules: [{ fromPort: 53, toPort: 53, ipRanges: [] }],
};

describe('the launch script', () => {
  it('gives UFW its rules in the contract’s order, SSH first and enable last', () => {
    expect(ufwLines(renderLaunchScript(RULES, { sshPorts: [2222] }))).toEqual([
      'ufw --force reset',
      'ufw default deny incoming',
      'ufw default allow outgoing',
      'ufw allow 22/tcp',
      'ufw allow 2222/tcp',
      'ufw allow in from 2001:db8::/32 to any port 443',
      'ufw allow in from 203.0.113.0/24 to any port 443',
      'ufw allow in from any to any port 8000:8010 proto tcp',
      'ufw allow in from any to any port 8000:8010 proto udp',
      'ufw allow out to any port 53',
      'ufw --force enable',
    ]);
  });

  it.each([
    ['iptables', '203.0.113.0/24'],
    ['ip6tables', '2001:db8::/32'],
  ])(
    'fills DOCKER-USER for %s in the contract’s order, matching the published port and not the container’s',
    (tool, network) => {
      const lines = renderLaunchScript(RULES, { sshPorts: [2222] })
        .split('\n')
        .filter((line) => line.startsWith(`${tool} `));
      const original = (port: string, proto: string): string =>
        `-p ${proto} -m conntrack --ctorigdstport ${port} --ctdir ORIGINAL -j ACCEPT`;
      expect(lines).toEqual([
        `${tool} -N DOCKER-USER 2>/dev/null`,
        `${tool} -F DOCKER-USER`,
        ...[
          '-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
          '-i docker0 ! -o docker0 -j ACCEPT',
          '-i br+ ! -o br+ -j ACCEPT',
          '-i cni+ ! -o cni+ -j ACCEPT',
          '-i cali+ ! -o cali+ -j ACCEPT',
          '-i docker0 -o docker0 -j ACCEPT',
          '-i br+ -o br+ -j ACCEPT',
          '-i cni+ -o cni+ -j ACCEPT',
          '-i cali+ -o cali+ -j ACCEPT',
          '-i lo -j ACCEPT',
          '-i wt0 -j ACCEPT',
          original('22', 'tcp'),
          original('2222', 'tcp'),
          `-s ${network} ${original('443', 'tcp')}`,
          `-s ${network} ${original('443', 'udp')}`,
          original('8000:8010', 'tcp'),
          original('8000:8010', 'udp'),
          '-j DROP',
        ].map((line) => `${tool} -A DOCKER-USER ${line}`),
      ]);
    },
  );

  it('writes Docker’s hook before it touches UFW, and runs the chain after', () => {
    const script = renderLaunchScript(RULES);
    expect(script).toContain(`[Service]\nExecStartPost=-${DOCKER_SCRIPT}\n`);
    const order = [
      `cat >${DOCKER_SCRIPT}`,
      `cat >${DOCKER_HOOK}`,
      'systemctl daemon-reload',
      'ufw --force reset',
      'ufw --force enable',
      `\n${DOCKER_SCRIPT} || true`,
    ];
    const places = order.map((text) => script.indexOf(text));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  it('installs no persistence package: those flush UFW', () => {
    expect(renderLaunchScript(RULES) + renderCloudConfig(RULES)).not.toMatch(/persistent/);
  });
});

describe('the cloud-config', () => {
  const key = `ssh-ed25519 ${'A'.repeat(68)}`;

  it('says the same as the launch script: the same commands, the same files', () => {
    const config = renderCloudConfig(RULES, { sshPorts: [2222] });
    const script = renderLaunchScript(RULES, { sshPorts: [2222] });
    expect(commandsOf(config).filter((line) => line.startsWith('ufw '))).toEqual(ufwLines(script));
    for (const [, content = ''] of config.matchAll(/content: "(.*)"/g)) expect(script).toContain(atob(content));
    expect([...config.matchAll(/^write_files:/gm)]).toHaveLength(1);
    expect(commandsOf(config).at(-1)).toBe(`${DOCKER_SCRIPT} || true`);
  });

  it('authorises keys without their comments', () => {
    const config = renderCloudConfig(NO_RULES, { publicKeys: [`${key} ann@host`, key] });
    expect(config).toContain(`ssh_authorized_keys:\n  - "${key}"\nwrite_files:`);
  });

  it.each([
    ['a second line', `${key}\nruncmd: [x]`],
    ['options in front', `command="x" ${key}`],
    ['a quote', `ssh-ed25519 ${'A'.repeat(60)}"`],
    ['nothing', ''],
  ])('refuses a key with %s', (_what, publicKey) => {
    expect(() => renderCloudConfig(NO_RULES, { publicKeys: [publicKey] })).toThrow(RulesRefusedError);
  });
});

describe.each([
  ['launch script', (rules: FirewallRules) => renderLaunchScript(rules)],
  ['cloud-config', (rules: FirewallRules) => renderCloudConfig(rules)],
])('whatever a caller sends, the %s', (_form, render) => {
  it('gives the rules back when it is read, whatever they are', () => {
    fc.assert(
      fc.property(anyRules, (rules) => {
        expect(parseUfwRules(render(rules))).toEqual(normaliseRules(rules));
      }),
    );
  });

  it('has the same bytes for the same rules in any order', () => {
    fc.assert(
      fc.property(anyRules, (rules) => {
        const reversed = {
          ingressRules: rules.ingressRules
            .map((rule) => ({ ...rule, ipRanges: [...rule.ipRanges].reverse() }))
            .reverse(),
          egressRules: [...rules.egressRules, ...rules.egressRules].reverse(),
        };
        expect(render(reversed)).toBe(render(rules));
      }),
    );
  });

  it('is refused, or has only ports and networks where they belong: no word, key or line more', () => {
    const skeleton = shape(render(NO_RULES));
    fc.assert(
      fc.property(hostileRules, (rules) => {
        let text: string;
        try {
          text = render(rules);
        } catch (error) {
          expect(error).toBeInstanceOf(RulesRefusedError);
          return;
        }
        expect(shape(text)).toEqual(skeleton);
      }),
      { numRuns: 500 },
    );
  });
});

const hostileText = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '10.0.0.0/8; reboot',
    '10.0.0.0/8\nreboot',
    '$(reboot)/8',
    '`reboot`',
    "10.0.0.0/8'",
    '10.0.0.0/8"',
    '0.0.0.0/0 ',
    '::/0\r',
    '::/0\u2028',
    '10.0.0.0/8\u0000',
    '1.2.3.4/32',
    '2001:db8::/32',
    '-j/8',
    '10.0.0.0/8\\',
    '١٠.0.0.0/8',
    'SLIPWAY_END_OF_FILE',
  ),
  fc.tuple(fc.ipV4(), fc.string()).map(([address, tail]) => `${address}/8${tail}`),
  fc.tuple(fc.ipV6(), fc.string()).map(([address, tail]) => `${address}/64${tail}`),
);
const hostilePort = fc.oneof(
  fc.integer(),
  fc.double(),
  hostileText,
  fc.constantFrom('80', '80; reboot', null, [80], 1e3),
) as fc.Arbitrary<number>;
const hostileRule = fc.record({
  fromPort: fc.oneof(hostilePort, fc.constant(1)),
  toPort: fc.oneof(hostilePort, fc.constant(65_535)),
  ipRanges: fc.array(hostileText, { maxLength: 2 }),
});
const hostileRules = fc.record({
  ingressRules: fc.array(hostileRule, { maxLength: 2 }),
  egressRules: fc.array(hostileRule, { maxLength: 2 }),
});

/** What is left of a rendered text without the lines that may hold rules, each of which must match to the letter. */
function shape(text: string): string[] {
  const network = '(?:any|[0-9a-f.:]+/\\d+)';
  const ports = '\\d+(?::\\d+ proto (?:tcp|udp))?';
  const ufw = new RegExp(`^(?:try |  - ")ufw allow (?:in from ${network} to any|out to ${network}) port ${ports}"?$`);
  const docker =
    /^ip6?tables -A DOCKER-USER (?:-s [0-9a-f.:]+\/\d+ )?-p (?:tcp|udp) -m conntrack --ctorigdstport \d+(?::\d+)? --ctdir ORIGINAL -j ACCEPT$/;
  return text
    .replace(/content: "(.*)"/g, (_all, content: string) => atob(content))
    .split('\n')
    .filter((line) => !ufw.test(line) && !docker.test(line));
}

function ufwLines(script: string): string[] {
  return script
    .split('\n')
    .filter((line) => line.startsWith('try ufw '))
    .map((line) => line.slice('try '.length));
}

function commandsOf(config: string): string[] {
  const [, list = ''] = config.split('runcmd:\n');
  return list
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line.replace(/^ {2}- /, '')) as string);
}

it('refuses more rules than a first boot can bear', () => {
  const ingressRules = Array.from({ length: 300 }, (_, index) => ({
    fromPort: 1 + 2 * index,
    toPort: 1 + 2 * index,
    ipRanges: [],
  }));
  expect(() => renderLaunchScript(ingress(...ingressRules))).toThrow(/at most 256/);
});
