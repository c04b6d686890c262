import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveFirewall } from '../../src/activities/firewall/proof.js';
import { openSsh } from '../../src/activities/ssh-probe.js';
import { type FirewallRules, renderLaunchScript } from '../../src/domain/firewall.js';
import { makeKey } from '../ssh/servers.js';
import { NetnsHost } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';
const MAPPINGS = [
  { port: 22, publicPort: 40_022 },
  { port: 8_080, publicPort: 48_080 },
  { port: 9_000, publicPort: 49_000 },
];

/** OpenSSH, ufw and the kernel's own port translation: a few ports of an address stand for a machine's. */
describe.skipIf(netnsMissing)(`a machine behind port mappings${why}`, () => {
  let host: NetnsHost;
  const key = netnsMissing ? '' : makeKey();
  beforeAll(async () => {
    host = await NetnsHost.make();
    await host.startSshd(key, { hostKey: makeKey() });
    for (const { port, publicPort } of MAPPINGS) {
      await host.must(
        `iptables -t nat -A PREROUTING -i eth0 -p tcp --dport ${publicPort} -j REDIRECT --to-ports ${port}`,
      );
    }
    await host.write('/run/launch.sh', renderLaunchScript(rules(8_080, 8_443)), '0700');
    await host.must('/run/launch.sh');
  });
  afterAll(() => host?.remove());

  async function prove(firewall: FirewallRules, before?: FirewallRules, portMappings = MAPPINGS): Promise<string> {
    const target = { ...host.target(key, { port: 40_022 }), portMappings };
    const connection = await openSsh(target, { timeoutMs: 15_000 });
    try {
      const until = (timeoutMs = 30_000) => ({ timeoutMs });
      const claim = { rules: firewall, ...(before && { before }) };
      return (await proveFirewall(connection, target, claim, { until, settleMs: 1_000 })).join('; ');
    } finally {
      connection.close();
    }
  }

  it('has its rules proved through them, open and shut; what nobody mapped is said to be unproved', async () => {
    const evidence = await prove(rules(8_080, 8_443));
    expect(evidence).toContain('port 8080, outside 48080, (rule 8080) answers from outside');
    expect(evidence).toContain('port 9000, outside 49000, (no rule) answers inside and not from outside (silent)');
    expect(evidence).toContain('not proved: rule 8443');
  });

  it('has it noticed when a rule is missing, and when one is too much', async () => {
    await expect(prove(rules(8_080, 9_000))).rejects.toMatchObject({
      finding: 'shut',
      message: expect.stringContaining('port 9000, outside 49000, (rule 9000)'),
    });
    await expect(prove(rules(8_443), rules(8_080, 8_443))).rejects.toMatchObject({
      finding: 'leaks',
      message: expect.stringContaining('port 8080, outside 48080, (rule 8080, taken away)'),
    });
  });

  it('has it noticed when its firewall is off', async () => {
    await host.must('ufw --force disable');
    await expect(prove(rules(8_080))).rejects.toMatchObject({ finding: 'leaks' });
    await host.must('ufw --force enable');
  });

  describe('on which something listens already', () => {
    beforeAll(async () => {
      await host.listen(8_080);
      await host.listen(9_000);
    });

    it('has its rules proved by whatever answers, open and shut', async () => {
      const evidence = await prove(rules(8_080));
      expect(evidence).toContain('port 8080, outside 48080, (rule 8080) answers from outside');
      expect(evidence).toContain('port 9000, outside 49000, (no rule) answers inside and not from outside (silent)');
    });

    it('has a leak noticed, whoever it is that answers', async () => {
      await host.must('ufw allow 9000');
      await expect(prove(rules(8_080))).rejects.toMatchObject({
        finding: 'leaks',
        message: expect.stringContaining('port 9000, outside 49000, (no rule) answers from outside'),
      });
      await host.must('ufw delete allow 9000');
    });
  });

  it('that nobody told us is not called shut where a stranger answers', async () => {
    await host.listen(9_001);
    await host.must(`ufw allow 9001
      iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 9999 -j REDIRECT --to-ports 9001`);
    const evidence = await prove(rules(8_080), undefined, []);
    expect(evidence).toContain('not proved: port 9999 (no rule): a stranger answers');
    expect(evidence).not.toContain('not from outside');
  });
});

function rules(...ports: number[]): FirewallRules {
  const ingressRules = ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: [] }));
  return { ingressRules, egressRules: [] };
}
