import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeHostFirewall } from '../../src/activities/firewall/host-change.js';
import { openSsh } from '../../src/activities/ssh-probe.js';
import { DOCKER_SCRIPT, type FirewallRules, renderLaunchScript } from '../../src/domain/firewall.js';
import { makeKey } from '../ssh/servers.js';
import { answers, NetnsHost } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';
import { runContainer } from '../support/netns-docker.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';
/** For what must answer, in ms: a busy computer may take its time. What must not answer gets less. */
const PATIENT = 15_000;
const UNTIL = (timeoutMs = 60_000) => ({ timeoutMs });

/** OpenSSH's sshd, Debian's ufw, Docker's rules: a change of rules on a machine in use. */
describe.skipIf(netnsMissing)(`the firewall on a machine in use${why}`, () => {
  let host: NetnsHost;
  let key: string;
  beforeAll(async () => {
    key = makeKey();
    host = await NetnsHost.make();
    await host.startSshd(key, { hostKey: makeKey() });
    for (const port of [8_081, 8_443, 8_500, 8_505, 9_999]) await host.listen(port);
    await runContainer(host, { published: 8_080, inside: 80 });
    await boot(rules(8_080, 8_081));
  });
  afterAll(() => host?.remove());

  async function boot(first: FirewallRules): Promise<void> {
    await host.write('/run/launch.sh', renderLaunchScript(first), '0700');
    await host.must('/run/launch.sh');
  }
  async function change(what: FirewallRules): Promise<string> {
    const connection = await openSsh(host.target(key), { timeoutMs: 10_000 });
    try {
      return (await changeHostFirewall(connection, host.target(key), what, UNTIL)).join('; ');
    } finally {
      connection.close();
    }
  }
  async function stateOf(): Promise<string> {
    return await host.must(`iptables-save | sed '/^#/d; s/\\[[0-9:]*\\]//'; ip6tables-save | sed '/^#/d; s/\\[[0-9:]*\\]//'
      cat /etc/ufw/user.rules /etc/ufw/user6.rules ${DOCKER_SCRIPT}`);
  }
  async function open(ports: number[]): Promise<number[]> {
    const each = await Promise.all(
      ports.flatMap((port) => [host.address, host.address6].map((at) => answers(at, port))),
    );
    return ports.filter((_port, index) => each[2 * index] || each[2 * index + 1]);
  }
  /** Ports that answered at any moment while `work` was at it, and how often SSH did not. */
  async function watching(ports: number[], work: () => Promise<unknown>) {
    const answered = new Set<number>();
    let isOver = false;
    let sshSilences = 0;
    let looks = 0;
    const watch = async (port: number): Promise<void> => {
      while (!isOver) {
        looks += 1;
        if (await answers(host.address, port, 100)) answered.add(port);
      }
    };
    const watchSsh = async (): Promise<void> => {
      while (!isOver) if (!(await answers(host.address, 22, PATIENT))) sshSilences += 1;
    };
    const watches = [...ports.map(watch), watchSsh()];
    await work().finally(() => {
      isOver = true;
    });
    await Promise.all(watches);
    return { answered: [...answered], sshSilences, looks };
  }

  it('opens what is new and closes what is gone, also for containers, over IPv4 and IPv6', async () => {
    expect(await open([8_080, 8_081])).toEqual([8_080, 8_081]);
    const wanted = rules(8_443, [8_500, 8_510]);
    const evidence = await change(wanted);
    expect(evidence).toBe('the firewall on the machine was changed: open 8443; open 8500-8510; close 8080-8081');
    expect(await open([8_443, 8_500, 8_505])).toEqual([8_443, 8_500, 8_505]);
    expect(await open([8_080, 8_081, 9_999])).toEqual([]);
  });

  it('is the same after the change is made again, and as if it had booted with the new rules', async () => {
    const wanted = rules(8_443, [8_500, 8_510]);
    const before = await stateOf();
    await change(wanted);
    expect(await stateOf()).toBe(before);
    await boot(wanted);
    expect(await chains()).toEqual(sorted(before));
  });

  it('opens nothing else at any moment, and never closes SSH', async () => {
    await boot(rules(8_443));
    const { answered, sshSilences, looks } = await watching([9_999, 8_080, 8_500], async () => {
      await change(rules(8_081));
      await change(rules(8_443));
    });
    expect(looks).toBeGreaterThan(10);
    expect({ answered, sshSilences }).toEqual({ answered: [], sshSilences: 0 });
  });

  it('keeps SSH open when a rule for 22 is taken away', async () => {
    await boot(rules(22, 8_443));
    await change(rules());
    expect(await open([8_443])).toEqual([]);
    expect(await change(rules(8_443))).toContain('open 8443');
  });

  it('closes what a change that failed, or was overtaken, may have left', async () => {
    await boot(rules(8_081, 8_443));
    await change(rules(8_500));
    expect(await open([8_081, 8_443])).toEqual([]);
    expect(await open([8_500])).toEqual([8_500]);
  });

  it('tells networks and families apart, in whatever spelling', async () => {
    const network = `${host.outside}/30`;
    const spelled = (...ipRanges: string[]): FirewallRules => ({
      ingressRules: [{ fromPort: 8_443, toPort: 8_443, ipRanges }],
      egressRules: [{ fromPort: 443, toPort: 445, ipRanges: ['192.0.2.0/24'] }],
    });
    await boot(rules(8_443));
    await change(spelled('2001:DB8:0::/32', '0.0.0.0/0'));
    expect(await answers(host.address, 8_443, PATIENT)).toBe(true);
    expect(await answers(host.address6, 8_443)).toBe(false);
    expect(await change(spelled('0.0.0.0/0', '2001:db8::/32'))).toContain('it had the rules');
    expect(await change(spelled(network))).toMatch(
      /: open 8443 from 10[^;]*; close 8443; close 8443 from 2001:db8::.32$/,
    );
    expect(await answers(host.address, 8_443, PATIENT)).toBe(true);
    expect(await change(spelled('192.0.2.7/32'))).toContain('open 8443 from 192.0.2.7/32; close 8443 from 10');
    expect(await open([8_443])).toEqual([]);
    expect(await change(rules())).toContain('close outbound 443-445 from 192.0.2.0/24');
  });

  it('loses what somebody opened by hand, and keeps what our rules cannot say', async () => {
    await boot(rules());
    await host.must("ufw allow 8443/tcp comment 'mine'; ufw limit 8500/tcp; ufw allow in on lo to any port 8505");
    expect(await change(rules(8_081))).toContain('open 8081; close 8443');
    expect(await open([8_443])).toEqual([]);
    expect(await host.must('ufw show added')).toMatch(/limit 8500.tcp.*on lo/s);
  });

  it('is switched on again if somebody had switched it off', async () => {
    await host.must('ufw --force disable');
    expect(await answers(host.address, 9_999, PATIENT)).toBe(true);
    await change(rules(8_500));
    expect(await open([9_999])).toEqual([]);
  });

  it('says which rules were changed and which were not when a command fails', async () => {
    await boot(rules(8_081));
    await failingUfw('*8443*');
    await expect(change(rules(8_080, 8_443, 8_500))).rejects.toMatchObject({
      finding: 'not-applied',
      message:
        'we are in, and the change of the firewall ended: exit 1. Done: open 8080. Not done: open 8443; open 8500; close 8081; the rules for published container ports; keep the firewall on.',
    });
    await host.must('rm /usr/local/sbin/ufw');
    expect(await open([8_081])).toEqual([8_081]);
    expect(await open([8_443])).toEqual([]);
    await change(rules(8_081));
    expect(await open([8_080, 8_443, 8_500])).toEqual([]);
  });

  it('is changed to the end when the connection is lost in the middle; the next change waits for it', async () => {
    await boot(rules(8_081));
    await host.write('/usr/local/sbin/ufw', '#!/bin/sh\nsleep 0.5\nexec /usr/sbin/ufw "$@"\n', '0755');
    const connection = await openSsh(host.target(key), { timeoutMs: 10_000 });
    const first = rules(8_443, 8_500);
    const lost = expect(changeHostFirewall(connection, host.target(key), first, UNTIL)).rejects.toMatchObject({
      failure: 'reset',
    });
    await expect
      .poll(() => host.run('ufw show added').then(({ stdout }) => stdout), { timeout: PATIENT })
      .toMatch('8443');
    connection.close();
    await lost;
    await change(rules(8_500));
    await host.must('rm /usr/local/sbin/ufw');
    expect(await open([8_081, 8_443])).toEqual([]);
    expect(await open([8_500])).toEqual([8_500]);
  });

  it('is left alone where ufw is missing, and that is said', async () => {
    await host.must('mount --bind /dev/null /usr/sbin/ufw');
    await expect(change(rules(8_443))).rejects.toMatchObject({
      finding: 'not-applied',
      message: expect.stringContaining('ufw’s rules cannot be read: exit 127. Nothing was changed.'),
    });
    await host.must('umount /usr/sbin/ufw');
    expect(await open([8_443])).toEqual([]);
  });

  async function failingUfw(pattern: string): Promise<void> {
    const script = `#!/bin/sh\ncase "$*" in ${pattern}) exit 1;; esac\nexec /usr/sbin/ufw "$@"\n`;
    await host.write('/usr/local/sbin/ufw', script, '0755');
  }
  async function chains(): Promise<string[]> {
    return sorted(await stateOf());
  }
});

/** Rules of ufw stand in the order in which they came; none of ours depends on it. */
function sorted(text: string): string[] {
  return [...new Set(text.split('\n'))].sort();
}

function rules(...ports: (number | [from: number, to: number])[]): FirewallRules {
  const ingressRules = ports.map((port) => {
    const [fromPort, toPort] = Array.isArray(port) ? port : [port, port];
    return { fromPort, toPort, ipRanges: [] };
  });
  return { ingressRules, egressRules: [] };
}
