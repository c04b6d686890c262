import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeSsh } from '../../src/activities/ssh-probe.js';
import {
  DOCKER_HOOK,
  DOCKER_SCRIPT,
  type FirewallRules,
  NO_RULES,
  renderLaunchScript,
} from '../../src/domain/firewall.js';
import { makeKey } from '../ssh/servers.js';
import { answers, listenOutside, NetnsHost } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';
import { containerReaches, runContainer, startDocker } from '../support/netns-docker.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';
const FAMILIES = ['IPv4', 'IPv6'] as const;
/** For what must answer, in ms: a busy computer may take its time. What must not answer gets less. */
const PATIENT = 15_000;

describe.skipIf(netnsMissing)(`a host after the rendered script${why}`, () => {
  const hosts: NetnsHost[] = [];
  const key = netnsMissing ? '' : makeKey();
  afterAll(async () => {
    for (const host of hosts) await host.remove();
  });
  async function makeHost(): Promise<NetnsHost> {
    const host = await NetnsHost.make();
    hosts.push(host);
    await host.startSshd(key, { hostKey: makeKey() });
    return host;
  }
  async function apply(host: NetnsHost, rules: FirewallRules): Promise<void> {
    await host.write('/run/launch.sh', renderLaunchScript(rules), '0700');
    const { exitCode, stderr } = await host.run('/run/launch.sh');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  }
  /** Rules and files, without the counters and the dated backups that `ufw reset` leaves. */
  async function stateOf(host: NetnsHost): Promise<string> {
    return await host.must(`iptables-save | sed '/^#/d; s/\\[[0-9:]*\\]//'; ip6tables-save | sed '/^#/d; s/\\[[0-9:]*\\]//'
      for file in /etc/ufw/*.rules /etc/ufw/ufw.conf /etc/default/ufw ${DOCKER_SCRIPT} ${DOCKER_HOOK}; do
        stat -c '%n %a' $file; cat $file
      done`);
  }
  const addressOf = (host: NetnsHost, family: (typeof FAMILIES)[number]): string =>
    family === 'IPv4' ? host.address : host.address6;
  /** The network that we are in, as the host sees it. */
  const networks = (host: NetnsHost): string[] => [`${host.address}/30`, `${host.address6}/64`];

  describe('with no rules', () => {
    let host: NetnsHost;
    beforeAll(async () => {
      host = await makeHost();
      await host.listen(9999);
      // Alive before, from outside: what follows is the firewall's doing.
      for (const family of FAMILIES) expect(await answers(addressOf(host, family), 9999, PATIENT)).toBe(true);
      await apply(host, NO_RULES);
    });

    it.each(FAMILIES)('answers SSH over %s', async (family) => {
      const target = host.target(key, { host: addressOf(host, family) });
      expect(await probeSsh(target, { timeoutMs: 10_000 })).toMatchObject({ ok: true });
    });

    it.each(FAMILIES)('does not answer on 9999 over %s, though the listener is alive', async (family) => {
      expect(await answers(addressOf(host, family), 9999)).toBe(false);
      const loopback = family === 'IPv4' ? '127.0.0.1' : '::1';
      const script = `require("net").connect(9999, "${loopback}").on("data", (hello) => console.log(String(hello)))`;
      expect(await host.must(`${process.execPath} -e '${script}'`)).toBe('hello\n');
    });

    it('is the same, byte for byte, after a second run, and answers the same', async () => {
      const before = await stateOf(host);
      expect(before).toContain('-A DOCKER-USER -j DROP');
      await apply(host, NO_RULES);
      expect(await stateOf(host)).toBe(before);
      expect(await answers(host.address, 9999)).toBe(false);
      expect(await probeSsh(host.target(key), { timeoutMs: 10_000 })).toMatchObject({ ok: true });
    });

    it.each(FAMILIES)('reaches the outside over %s', async (family) => {
      const outside = family === 'IPv4' ? host.outside : host.outside6;
      const { port, close } = await listenOutside(outside);
      const script = `require("net").connect(${port}, "${outside}").on("data", (hello) => console.log(String(hello)))`;
      expect(await host.must(`${process.execPath} -e '${script}'`)).toBe('hello\n');
      close();
    });
  });

  describe('with rules', () => {
    let host: NetnsHost;
    beforeAll(async () => {
      host = await makeHost();
      for (const port of [8080, 8100, 8105, 8111, 9000, 9999]) await host.listen(port);
      await apply(host, {
        ingressRules: [
          { fromPort: 8080, toPort: 8080, ipRanges: [] },
          { fromPort: 8100, toPort: 8110, ipRanges: networks(host) },
          { fromPort: 9000, toPort: 9000, ipRanges: ['192.0.2.0/24', '2001:db8::/32'] },
        ],
        egressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['192.0.2.0/24'] }],
      });
    });

    it.each(FAMILIES)('answers over %s on what is allowed, and nowhere else', async (family) => {
      for (const port of [8080, 8100, 8105]) expect(await answers(addressOf(host, family), port, PATIENT)).toBe(true);
      expect(await openPorts(addressOf(host, family), [8111, 9000, 9999])).toEqual([]);
    });

    it('answers on what other rules allow, and no longer on what they do not, after they are applied', async () => {
      await apply(host, { ingressRules: [{ fromPort: 9000, toPort: 9000, ipRanges: [] }], egressRules: [] });
      for (const family of FAMILIES) {
        expect(await answers(addressOf(host, family), 9000, PATIENT)).toBe(true);
        expect(await openPorts(addressOf(host, family), [8080, 8105])).toEqual([]);
      }
    });
  });

  describe('with a container that publishes 8080 for its own port 80', () => {
    let host: NetnsHost;
    const allowed = (...ports: number[]): FirewallRules => ({
      ingressRules: ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: networks(host) })),
      egressRules: [],
    });
    beforeAll(async () => {
      host = await makeHost();
      await runContainer(host, { published: 8080, inside: 80 });
      for (const family of FAMILIES) expect(await answers(addressOf(host, family), 8080, PATIENT)).toBe(true);
    });

    it.each(FAMILIES)('hides the container over %s when no rule allows the port', async (family) => {
      await apply(host, NO_RULES);
      expect(await answers(addressOf(host, family), 8080)).toBe(false);
    });

    it.each(FAMILIES)('does not take a rule for the container’s own port for one, over %s', async (family) => {
      await apply(host, allowed(80));
      expect(await answers(addressOf(host, family), 8080)).toBe(false);
    });

    it.each(FAMILIES)('shows the container over %s when a rule allows the published port', async (family) => {
      await apply(host, allowed(8080));
      expect(await answers(addressOf(host, family), 8080, PATIENT)).toBe(true);
    });

    it('lets the container reach the outside', async () => {
      await apply(host, NO_RULES);
      await host.must('iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE');
      const { port, close } = await listenOutside(host.outside);
      expect(await containerReaches(host, host.outside, port)).toBe(true);
      close();
    });

    it('hides the container again when Docker has started anew and its hook has run', async () => {
      await apply(host, NO_RULES);
      const before = await host.must('iptables -S DOCKER-USER; ip6tables -S DOCKER-USER');
      // A Docker that comes up with its chain empty is open to the world until the hook runs.
      await host.must('iptables -F DOCKER-USER; ip6tables -F DOCKER-USER');
      await startDocker(host);
      for (const family of FAMILIES) expect(await answers(addressOf(host, family), 8080, PATIENT)).toBe(true);
      const hook = await host.must(`sed -n 's/^ExecStartPost=-//p' ${DOCKER_HOOK}`);
      await host.must(hook);
      expect(await host.must('iptables -S DOCKER-USER; ip6tables -S DOCKER-USER')).toBe(before);
      for (const family of FAMILIES) expect(await answers(addressOf(host, family), 8080)).toBe(false);
    });
  });
});

async function openPorts(address: string, ports: number[]): Promise<number[]> {
  const open = await Promise.all(ports.map((port) => answers(address, port)));
  return ports.filter((_port, index) => open[index]);
}
