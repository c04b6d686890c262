import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveFirewall } from '../../src/activities/firewall/proof.js';
import { openSsh } from '../../src/activities/ssh-probe.js';
import type { FirewallClaim } from '../../src/activities/types.js';
import { type FirewallRule, type FirewallRules, NO_RULES, renderLaunchScript } from '../../src/domain/firewall.js';
import { makeKey } from '../ssh/servers.js';
import { NetnsHost } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';

/** OpenSSH's sshd, Debian's ufw, perl, python and nc: the proof as it happens on a machine. */
describe.skipIf(netnsMissing)(`the proof of a real firewall${why}`, () => {
  let host: NetnsHost;
  let key: string;
  beforeAll(async () => {
    key = makeKey();
    host = await NetnsHost.make();
    await host.startSshd(key, { hostKey: makeKey() });
    await apply(NO_RULES);
  });
  afterAll(() => host?.remove());

  async function apply(rules: FirewallRules): Promise<void> {
    await host.write('/run/launch.sh', renderLaunchScript(rules), '0700');
    await host.must('/run/launch.sh');
  }
  async function prove(claim: FirewallClaim, address = host.address): Promise<string> {
    const target = host.target(key, { host: address });
    const connection = await openSsh(target, { timeoutMs: 10_000 });
    const endsAt = performance.now() + 60_000;
    const until = (ms = 60_000) => ({ timeoutMs: Math.min(ms, endsAt - performance.now()) });
    try {
      const gaps = { firstMs: 50, maxMs: 50 };
      return (await proveFirewall(connection, target, claim, { until, settleMs: 100, gaps })).join('; ');
    } finally {
      connection.close();
    }
  }
  /** Ports on which something listens, but SSH's. */
  const listening = async () =>
    (await host.must(`ss -tlnH | grep -o ':[0-9]* ' | sort -u`)).match(/\d+/g)?.filter((port) => port !== '22');

  it.each(['IPv4', 'IPv6'])('holds over %s: what is allowed answers, what is not is silent', async (family) => {
    const [network, address] =
      family === 'IPv4' ? [`${host.outside}/32`, host.address] : [`${host.outside6}/128`, host.address6];
    const rules = ingress(rule(8_080), rule(8_100, 8_110, network), rule(443), rule(9_000, 9_000, '192.0.2.0/24'));
    await apply(rules);
    const evidence = await prove({ rules }, address);
    expect(evidence).toContain('port 8080 (rule 8080) answers from outside');
    expect(evidence).toContain(`port 8100 (rule 8100-8110 from ${network}) answers from outside`);
    expect(evidence).toContain('port 443 (rule 443) answers from outside');
    expect(evidence).toContain('port 9999 (no rule) answers inside and not from outside (silent)');
    expect(evidence).toContain('not proved: rule 9000 from 192.0.2.0/24');
  });

  it('leaves nothing listening behind', async () => {
    await prove({ rules: NO_RULES });
    await expect.poll(listening).toEqual([]);
  });

  it('does not hold while the firewall is off', async () => {
    await host.must('ufw --force disable');
    await expect(prove({ rules: NO_RULES })).rejects.toMatchObject({ finding: 'leaks' });
    await host.must('ufw --force enable');
  });

  it('does not hold when a rule is missing, and says which', async () => {
    await apply(ingress(rule(8_080)));
    const claim = { rules: ingress(rule(8_080), rule(8_443)) };
    await expect(prove(claim)).rejects.toMatchObject({
      finding: 'shut',
      message: expect.stringMatching(/port 8443 .rule 8443. answers inside and not .*as it should be: port 8080/),
    });
  });

  it('does not hold when what was taken away still answers', async () => {
    await apply(ingress(rule(8_080)));
    await expect(prove({ rules: NO_RULES, before: ingress(rule(8_080)) })).rejects.toMatchObject({
      finding: 'leaks',
      message: expect.stringContaining('port 8080 (rule 8080, taken away) answers from outside'),
    });
  });

  it('takes what listens already for its witness, but not what listens on loopback only', async () => {
    await apply(ingress(rule(8_080)));
    await host.listen(8_080);
    await host.start(
      'up',
      process.execPath,
      '-e',
      "require('net').createServer().listen(9999, '127.0.0.1', () => console.log('up'))",
    );
    const evidence = await prove({ rules: ingress(rule(8_080)) });
    expect(evidence).toContain('port 8080 (rule 8080) answers from outside');
    expect(evidence).toContain('port 10000 (no rule) answers inside and not from outside');
    await host.must("kill $(ss -tlnHp 'sport = :8080 or sport = :9999' | grep -o 'pid=[0-9]*' | cut -d= -f2)");
    await expect.poll(listening).toEqual([]);
  });

  it.each([
    ['python3', ['perl']],
    ['nc', ['perl', 'python3']],
  ])('does with %s where that is all there is', async (last, missing) => {
    if ((await host.run(`command -v ${last}`)).exitCode !== 0) return; // not on this computer either
    await apply(NO_RULES);
    await without(missing, async () => {
      expect(await prove({ rules: NO_RULES })).toContain('answers inside and not from outside');
    });
    await expect.poll(listening).toEqual([]);
  });

  it('is no proof where nothing can be made to listen: a missing program looks like a firewall', async () => {
    await without(['perl', 'python3', 'nc'], async () => {
      await expect(prove({ rules: NO_RULES })).rejects.toMatchObject({ finding: 'no-witness' });
    });
  });

  it('needs no forwarding of sshd’s', async () => {
    await host.stopSshd();
    await host.startSshd(key, { hostKey: makeKey(), config: ['AllowTcpForwarding no'] });
    expect(await prove({ rules: NO_RULES })).toContain('answers inside and not from outside (silent)');
  });

  it('needs few sessions of sshd’s, however many rules there are', async () => {
    await host.stopSshd();
    await host.startSshd(key, { hostKey: makeKey(), config: ['AllowTcpForwarding no', 'MaxSessions 3'] });
    const six = [1, 2, 3, 4, 5, 6];
    const rules = ingress(...six.map((n) => rule(8_000 + 2 * n)));
    await apply(rules);
    const evidence = await prove({ rules, before: ingress(...six.map((n) => rule(9_000 + 2 * n))) });
    for (const n of six) {
      expect(evidence).toContain(`port ${8_000 + 2 * n} (rule ${8_000 + 2 * n}) answers from outside`);
      expect(evidence).toContain(
        `port ${9_000 + 2 * n} (rule ${9_000 + 2 * n}, taken away) answers inside and not from`,
      );
    }
    await expect.poll(listening).toEqual([]);
  });

  /** A machine that lacks these programs. */
  async function without(tools: readonly string[], work: () => Promise<void>): Promise<void> {
    for (const tool of tools)
      await host.must(`for file in $(which -a ${tool}); do mount --bind /dev/null "$file"; done`);
    try {
      await work();
    } finally {
      await host.must('grep -o " /[^ ]*bin/[^ ]* " /proc/self/mounts | while read -r file; do umount "$file"; done');
    }
  }
});

function rule(fromPort: number, toPort = fromPort, ...ipRanges: string[]): FirewallRule {
  return { fromPort, toPort, ipRanges };
}

function ingress(...ingressRules: FirewallRule[]): FirewallRules {
  return { ingressRules, egressRules: [] };
}
