import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { probeSsh, publicKeyOf, type SshTarget } from '../../src/activities/ssh-probe.js';
import { makeKey } from '../ssh/servers.js';
import { NetnsHost } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';

/** One machine with OpenSSH's sshd, broken in each way that machines break. */
describe.skipIf(netnsMissing)(`a real sshd${why}`, () => {
  let host: NetnsHost;
  let key: string;
  let hostKey: string;
  beforeAll(async () => {
    key = makeKey();
    hostKey = makeKey();
    host = await NetnsHost.make();
  });
  afterAll(() => host.remove());
  beforeEach(async () => {
    await host.must('iptables -F; iptables -P INPUT ACCEPT');
    await host.stopSshd();
    await host.startSshd(key, { hostKey });
  });
  const probe = (more: Partial<SshTarget> = {}, timeoutMs = 5_000, commands = ['true']) =>
    probeSsh(host.target(key, more), { timeoutMs, commands });

  it('lets us in over IPv4 and IPv6, and shows the same host key', async () => {
    for (const address of [host.address, host.address6]) {
      expect(await probe({ host: address })).toMatchObject({ ok: true, hostKey: publicKeyOf(hostKey) });
    }
  });

  it('refuses while it is not started', async () => {
    await host.stopSshd();
    expect(await probe()).toMatchObject({ ok: false, failure: 'refused' });
  });

  it('is silent behind a firewall that drops: TCP is never accepted', async () => {
    await host.must('iptables -A INPUT -p tcp --dport 22 -j DROP');
    expect(await probe({}, 1_000)).toMatchObject(seen('silent', /did not accept a TCP connection/));
  });

  it('is silent behind a firewall that rejects by ICMP', async () => {
    await host.must('iptables -A INPUT -p tcp --dport 22 -j REJECT --reject-with icmp-host-prohibited');
    expect(await probe()).toMatchObject(seen('silent', /EHOSTUNREACH/));
  });

  it('is silent while it hangs: the kernel accepts, and no banner comes', async () => {
    await host.signalSshd('STOP');
    expect(await probe({}, 1_000)).toMatchObject(seen('silent', /sent no SSH banner/));
    await host.signalSshd('CONT');
  });

  it('resets before the banner when it has too many strangers at the door', async () => {
    await host.stopSshd();
    await host.startSshd(key, { hostKey, config: ['MaxStartups 1'] });
    const stranger = connect(22, host.address);
    await new Promise((resolve) => stranger.once('data', resolve));
    const result = await probe();
    stranger.destroy();
    expect(result).toMatchObject(seen('reset', /before the SSH banner; it had said "Exceeded MaxStartups"/));
  });

  it('resets after the banner when a firewall cuts the connection', async () => {
    await host.must('iptables -A INPUT -p tcp --dport 22 -m length --length 400: -j REJECT --reject-with tcp-reset');
    expect(await probe()).toMatchObject(seen('reset', /after the banner/));
  });

  it('times out after the banner on a path that loses big packets', async () => {
    await host.must('iptables -A OUTPUT -p tcp --sport 22 -m length --length 400: -j DROP');
    expect(await probe({}, 1_000)).toMatchObject(seen('timeout', /OpenSSH.*after the banner/));
  });

  it('rejects a key that is not authorised, and a user that is not there', async () => {
    expect(await probe({ privateKey: makeKey() })).toMatchObject({ ok: false, failure: 'key-rejected' });
    expect(await probe({ user: 'nobody-here' })).toMatchObject({ ok: false, failure: 'key-rejected' });
  });

  it('lets us in and fails our command, or never ends it', async () => {
    expect(await probe({}, 5_000, ['exit 3'])).toMatchObject(seen('command-failed', /exited 3/));
    expect(await probe({}, 2_000, ['sleep 1000'])).toMatchObject(seen('timeout', /had not ended/));
  });

  it('is the machine we know after a stop and a start, and somebody else at its address is not', async () => {
    const first = await probe();
    const pinnedHostKey = first.ok ? first.hostKey : '';
    await host.stopSshd();
    await host.startSshd(key, { hostKey });
    expect(await probe({ pinnedHostKey })).toMatchObject({ ok: true, hostKey: pinnedHostKey });

    for (const type of ['ed25519', 'ecdsa'] as const) {
      const impostor = makeKey(type);
      await host.stopSshd();
      await host.startSshd(key, { hostKey: impostor });
      const result = await probe({ pinnedHostKey });
      expect(result).toMatchObject({ ok: false, failure: 'wrong-host-key' });
      expect(result.evidence).toContain(publicKeyOf(impostor));
    }
  });
});

function seen(failure: string, evidence: RegExp) {
  return { ok: false, failure, evidence: expect.stringMatching(evidence) };
}
