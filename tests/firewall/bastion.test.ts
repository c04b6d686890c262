import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveFirewall } from '../../src/activities/firewall/proof.js';
import { openSsh, probeSsh, publicKeyOf, type SshTarget } from '../../src/activities/ssh-probe.js';
import { type FirewallRules, NO_RULES } from '../../src/domain/firewall.js';
import { makeKey } from '../ssh/servers.js';
import { NetnsHost } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';
const MACHINE = '10.231.254.2';

/** OpenSSH on both: a bastion, and a machine in a network that only the bastion is in. */
describe.skipIf(netnsMissing)(`a machine behind a bastion${why}`, () => {
  const keys = netnsMissing
    ? ({} as never)
    : { ours: makeKey(), jump: makeKey(), machine: makeKey(), other: makeKey() };
  let jump: NetnsHost;
  beforeAll(async () => {
    jump = await NetnsHost.make();
    await jump.startSshd(keys.ours, { hostKey: keys.jump });
    await jump.start('up', 'unshare', '-n', 'sh', '-c', 'echo $$ >/run/inner.pid; echo up; exec sleep 100000');
    await jump.must(`ip link add inner type veth peer name eth0 netns "$(cat /run/inner.pid)"
      ip addr add 10.231.254.1/30 dev inner; ip link set inner up
      echo '${MACHINE} machine.internal' >>/etc/hosts`);
    await inside(`ip link set lo up; ip addr add ${MACHINE}/30 dev eth0; ip link set eth0 up`);
    await jump.write('/etc/ssh/machine_host_key', keys.machine);
    await jump.write('/etc/ssh/machine_keys', publicKeyOf(keys.ours), '0644');
    const config = ['HostKey /etc/ssh/machine_host_key', 'AuthorizedKeysFile /etc/ssh/machine_keys', 'PidFile none'];
    const lines = [...config, `ListenAddress ${MACHINE}`, 'UsePAM no', 'UseDNS no', 'SetEnv SHLVL=1'];
    await jump.write('/etc/ssh/machine_config', `${lines.join('\n')}\n`);
    const sshd = 'exec nsenter -t "$(cat /run/inner.pid)" -n /usr/sbin/sshd -D -e -f /etc/ssh/machine_config';
    await jump.start('Server listening', 'sh', '-c', sshd);
  });
  afterAll(() => jump?.remove());

  const inside = (script: string) => jump.must(`nsenter -t "$(cat /run/inner.pid)" -n sh -ec '${script}'`);
  const via = (more: object = {}) => ({
    ...jump.target(keys.ours),
    pinnedHostKey: publicKeyOf(keys.jump),
    ...more,
  });
  const machine = (more: Partial<SshTarget> = {}): SshTarget => {
    return { ...jump.target(keys.ours), host: MACHINE, via: via(), ...more };
  };
  const probe = (more: Partial<SshTarget> = {}, timeoutMs = 15_000, commands = ['true']) =>
    probeSsh(machine(more), { timeoutMs, commands });
  const failing = (failure: string, evidence: RegExp) => ({
    ok: false,
    failure,
    evidence: expect.stringMatching(evidence),
  });

  it('is reached through it, shows its own host key, and is out of reach without', async () => {
    const seen = await probe();
    expect(seen).toMatchObject({ ok: true, hostKey: publicKeyOf(keys.machine) });
    expect(seen.evidence).toContain(`through the bastion ${jump.address}:22`);
    const { via: _, ...direct } = machine();
    expect(await probeSsh(direct, { timeoutMs: 1_500 })).toMatchObject({ ok: false });
  });

  it('is found by a name that only the bastion knows', async () => {
    expect(await probe({ host: 'machine.internal' })).toMatchObject({ ok: true });
  });

  it.each(['IPv4', 'IPv6'])('is reached through a bastion’s %s address', async (family) => {
    const host = family === 'IPv4' ? jump.address : jump.address6;
    expect(await probe({ via: via({ host }) })).toMatchObject({ ok: true });
  });

  it('is what refuses, where nothing listens', async () => {
    expect(await probe({ port: 23 })).toMatchObject(failing('refused', /^10.231.254.2:23 refuses .*the bastion/));
  });

  it('is what is silent, behind a firewall that drops', async () => {
    await inside('iptables -A INPUT -p tcp --dport 24 -j DROP');
    expect(await probe({ port: 24 }, 2_000)).toMatchObject(failing('silent', /^10.231.254.2:24 did not accept/));
  });

  it('is what has no address, for a name that the bastion does not know', async () => {
    expect(await probe({ host: 'nobody.invalid' })).toMatchObject(
      failing('unresolved', /nobody.invalid has no address/),
    );
  });

  it('is not blamed for what the bastion cannot dial', async () => {
    expect(await probe({ host: '224.0.0.1' })).toMatchObject(failing('bastion', /cannot dial 224.0.0.1:22/));
  });

  it('is what rejects our key, and what shows another host key', async () => {
    expect(await probe({ privateKey: keys.other })).toMatchObject(failing('key-rejected', /^10.231.254.2:22/));
    const pinnedHostKey = publicKeyOf(keys.other);
    expect(await probe({ pinnedHostKey })).toMatchObject(failing('wrong-host-key', /^10.231.254.2:22/));
  });

  it.each([
    ['is not there', () => ({ port: 23 }), /does not let us in \(refused\)/],
    ['rejects our key', () => ({ privateKey: keys.other }), /does not let us in \(key-rejected\)/],
    ['is somebody else', () => ({ pinnedHostKey: publicKeyOf(keys.other) }), /does not let us in \(wrong-host-key\)/],
    ['has no address', () => ({ host: 'nobody.invalid' }), /does not let us in \(unresolved\)/],
  ])('is not blamed when the bastion %s', async (_what, more, evidence) => {
    expect(await probe({ via: via(more()) })).toMatchObject(failing('bastion', evidence));
  });

  it('is not blamed when the bastion goes away in the middle', async () => {
    const connection = await openSsh(machine(), { timeoutMs: 15_000 });
    const lost = expect(connection.run('sleep 60', { timeoutMs: 60_000 })).rejects.toMatchObject({
      failure: 'bastion',
      message: expect.stringContaining('was lost'),
    });
    await jump.must('pkill -KILL -P "$(cat /run/sshd.pid)"');
    await lost;
    connection.close();
  });

  it('has its firewall proved from where the bastion is', async () => {
    await inside(`iptables -F; iptables -A INPUT -i lo -j ACCEPT
      iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
      iptables -A INPUT -p tcp -m multiport --dports 22,8080 -j ACCEPT; iptables -P INPUT DROP`);
    expect(await prove(rules(8_080))).toMatch(
      /port 8080 .rule 8080. answers from outside.*port 9999 .no rule. answers inside and not/,
    );
    await expect(prove(rules(8_443))).rejects.toMatchObject({ finding: 'shut' });
    await inside('iptables -P INPUT ACCEPT');
    await expect(prove(NO_RULES)).rejects.toMatchObject({ finding: 'leaks' });
  });

  it('has nothing proved by a bastion that forwards to SSH only, or not at all', async () => {
    await jump.stopSshd();
    await jump.startSshd(keys.ours, { hostKey: keys.jump, config: [`PermitOpen ${MACHINE}:22`] });
    await expect(prove(NO_RULES)).rejects.toMatchObject({ failure: 'bastion' });
    await jump.stopSshd();
    await jump.startSshd(keys.ours, { hostKey: keys.jump, config: ['AllowTcpForwarding no'] });
    expect(await probe()).toMatchObject(failing('bastion', /lets us in, and does not forward/));
  });

  async function prove(firewall: FirewallRules): Promise<string> {
    const connection = await openSsh(machine(), { timeoutMs: 15_000 });
    try {
      const until = (timeoutMs = 30_000) => ({ timeoutMs });
      const claim = { rules: firewall };
      return (await proveFirewall(connection, machine(), claim, { until, settleMs: 1_000 })).join('; ');
    } finally {
      connection.close();
    }
  }
});

function rules(...ports: number[]): FirewallRules {
  const ingressRules = ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: [] }));
  return { ingressRules, egressRules: [] };
}
