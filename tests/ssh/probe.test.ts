import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { probeSsh, publicKeyOf, type SshProbe, UnreadableKeyError } from '../../src/activities/ssh-probe.js';
import { copiedHostKey, freePort, makeKey, type Served, type Shell, serveSsh, serveTcp, target } from './servers.js';

const TYPES = ['ed25519', 'ecdsa', 'rsa'] as const;
const keys = {} as Record<(typeof TYPES)[number] | 'other' | 'host', string>;
beforeAll(() => {
  for (const type of TYPES) keys[type] = makeKey(type);
  keys.other = makeKey();
  keys.host = makeKey();
});

const open: Served[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});
async function up(server: Promise<Served>): Promise<Served> {
  open.push(await server);
  return await server;
}

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'));
const QUICK = { timeoutMs: 5_000 };

/** Long enough to be accepted on a busy machine, short enough to wait for. */
const SHORT = { timeoutMs: 400 };

describe('a machine that answers SSH', () => {
  describe.each(TYPES)('with an %s host key', (hostType) => {
    it.each(TYPES)('lets our %s key in, and shows its host key in OpenSSH form', async (userType) => {
      const { port } = await up(
        serveSsh({ hostKeys: [keys[hostType]], allows: (line) => line === publicKeyOf(keys[userType]) }),
      );
      const probe = await probeSsh(target(port, keys[userType]), QUICK);
      expect(probe).toMatchObject({ ok: true, hostKey: publicKeyOf(keys[hostType]) });
    });
  });

  it('is asked by public key only, never by password or without a key', async () => {
    const { port, attempts } = await up(serveSsh({ hostKeys: [keys.host] }));
    await probeSsh(target(port, keys.ed25519), QUICK);
    expect(new Set(attempts)).toEqual(new Set(['publickey']));
  });

  it('is reached by name, as by address', async () => {
    const { port } = await up(serveSsh({ hostKeys: [keys.host] }));
    expect(await probeSsh(target(port, keys.ed25519, { host: 'localhost' }), QUICK)).toMatchObject({ ok: true });
  });

  it.skipIf(!hasIpv6)('is reached over IPv6 (skipped where there is no ::1)', async () => {
    const { port } = await up(serveSsh({ hostKeys: [keys.host], address: '::1' }));
    expect(await probeSsh(target(port, keys.ed25519, { host: '::1' }), QUICK)).toMatchObject({ ok: true });
  });

  it('is recognised by the pinned key, whatever other host keys and comments there are', async () => {
    const { port } = await up(serveSsh({ hostKeys: [keys.ed25519, keys.ecdsa, keys.rsa] }));
    for (const type of TYPES) {
      const pinnedHostKey = `${publicKeyOf(keys[type])} root@host`;
      const probe = await probeSsh(target(port, keys.other, { pinnedHostKey }), QUICK);
      expect(probe).toMatchObject({ ok: true, hostKey: publicKeyOf(keys[type]) });
    }
  });

  it('runs the commands in order over one connection, and says how each ended', async () => {
    const { port, commands } = await up(serveSsh({ hostKeys: [keys.host] }));
    const probe = await probeSsh(target(port, keys.ed25519), { ...QUICK, commands: ['one', 'two'] });
    expect(commands).toEqual(['one', 'two']);
    expect(probe.evidence).toMatch(/SSH-2\.0-.*publickey.*ubuntu.*"one" exited 0; "two" exited 0/);
  });
});

describe('a machine that does not answer SSH', () => {
  it('refuses: nothing listens on the port', async () => {
    failed(await probeSsh(target(await freePort(), keys.ed25519), QUICK), 'refused');
  });

  it('is unresolved: the name has no address', async () => {
    // RFC 6761: this name never exists.
    failed(await probeSsh(target(22, keys.ed25519, { host: 'nowhere.invalid' }), QUICK), 'unresolved', /nowhere/);
  });

  it('is not blamed for what this worker cannot dial', async () => {
    // TCP to a multicast address has no route, on any computer.
    failed(await probeSsh(target(22, keys.ed25519, { host: '224.0.0.1' }), QUICK), 'worker', /this worker cannot dial/);
  });

  it('is silent: TCP is accepted, and no banner comes', async () => {
    const { port } = await up(serveTcp(() => undefined));
    failed(await probeSsh(target(port, keys.ed25519), SHORT), 'silent', /accepted TCP and sent no SSH banner/);
  });

  it('is silent: TCP is accepted, and something else than SSH is spoken', async () => {
    const { port } = await up(serveTcp((socket) => socket.write('220 mail.example ESMTP\r\n\u001b[31m')));
    const probe = await probeSsh(target(port, keys.ed25519), SHORT);
    failed(probe, 'silent', /"220 mail.example ESMTP .*not SSH/);
    expect(probe.evidence).toMatch(/^[\x20-\x7e…]*$/);
  });

  it.each([
    ['closes', (socket: Socket) => socket.end()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['says why and closes', (socket: Socket) => socket.end('Exceeded MaxStartups\r\n')],
  ])('is cut before the banner, when it %s', async (_how, greet) => {
    const { port } = await up(serveTcp(greet));
    failed(await probeSsh(target(port, keys.ed25519), QUICK), 'reset', /before the SSH banner/);
  });

  it.each([
    ['closes', (socket: Socket) => socket.end('SSH-2.0-Cut\r\n')],
    [
      'resets',
      (socket: Socket) => socket.write('SSH-2.0-Cut\r\n', () => socket.once('data', () => socket.resetAndDestroy())),
    ],
  ])('is cut after the banner, when it %s', async (_how, greet) => {
    const { port } = await up(serveTcp(greet));
    failed(await probeSsh(target(port, keys.ed25519), QUICK), 'reset', /after the banner.*SSH-2\.0-Cut/);
  });

  it('is too slow: a banner, and then nothing', async () => {
    const { port } = await up(serveTcp((socket) => socket.write('SSH-2.0-Slow\r\n')));
    failed(await probeSsh(target(port, keys.ed25519), SHORT), 'timeout', /SSH-2\.0-Slow.*after the banner/);
  });
});

describe('a machine that is not the one we know', () => {
  it.each(TYPES)('is refused for its %s host key, before anything is sent to it', async (type) => {
    const { port, attempts } = await up(serveSsh({ hostKeys: [keys[type]] }));
    const pinnedHostKey = publicKeyOf(keys.other);
    const probe = await probeSsh(target(port, keys.ed25519, { pinnedHostKey }), QUICK);
    failed(probe, 'wrong-host-key');
    expect(probe.evidence).toContain(publicKeyOf(keys[type]));
    expect(attempts).toEqual([]);
  });

  it('is refused when it has copied the pinned key, and cannot sign with it', async () => {
    const { port, attempts } = await up(serveSsh({ hostKeys: [copiedHostKey(keys.other, keys.host)] }));
    const probe = await probeSsh(target(port, keys.ed25519, { pinnedHostKey: publicKeyOf(keys.host) }), QUICK);
    failed(probe, 'wrong-host-key', /cannot sign/);
    expect(attempts).toEqual([]);
  });
});

describe('a machine that does not serve us', () => {
  it.each(TYPES)('rejects our %s key', async (type) => {
    const { port } = await up(serveSsh({ hostKeys: [keys.host], allows: () => false }));
    failed(await probeSsh(target(port, keys[type]), QUICK), 'key-rejected', /ubuntu/);
  });

  it('fails our command', async () => {
    const { port } = await up(serveSsh({ hostKeys: [keys.host], shell: () => ({ exit: 3, stdout: 'secret' }) }));
    const probe = await probeSsh(target(port, keys.ed25519), QUICK);
    failed(probe, 'command-failed', /"true" exited 3/);
    expect(probe.evidence).not.toContain('secret');
  });

  it('ends our command by a signal', async () => {
    const { port } = await up(serveSsh({ hostKeys: [keys.host], shell: () => ({ killedBy: 'KILL' }) }));
    failed(await probeSsh(target(port, keys.ed25519), QUICK), 'command-failed', /SIGKILL/);
  });

  it('never ends our command', async () => {
    const { port } = await up(serveSsh({ hostKeys: [keys.host], shell: () => undefined }));
    failed(await probeSsh(target(port, keys.ed25519), SHORT), 'timeout', /"true" had not ended/);
  });

  it('cuts the connection under our command', async () => {
    const hangUp: Shell = (_command, connection) => {
      connection.end();
      return undefined;
    };
    const { port } = await up(serveSsh({ hostKeys: [keys.host], shell: hangUp }));
    failed(await probeSsh(target(port, keys.ed25519), QUICK), 'reset', /after authentication/);
  });
});

describe('the caller', () => {
  it('can stop an attempt at any time, and gets its own reason back', async () => {
    const stop = new AbortController();
    const { port } = await up(serveTcp(() => stop.abort(new Error('enough'))));
    const probe = probeSsh(target(port, keys.ed25519), { ...QUICK, signal: stop.signal });
    await expect(probe).rejects.toThrow('enough');
  });

  it('is told when its key is of no use, without a word of the key', async () => {
    const broken = keys.ed25519.replace(/[A-Za-z0-9]{40}/, 'x');
    const attempt = probeSsh(target(1, broken), QUICK);
    await expect(attempt).rejects.toThrow(UnreadableKeyError);
    const error: unknown = await attempt.catch((reason: unknown) => reason);
    const body = broken.split('\n').slice(1, -2);
    for (const line of body) expect(String((error as Error).stack)).not.toContain(line);
  });
});

function failed(probe: SshProbe, failure: string, evidence = /./): void {
  expect(probe).toMatchObject({ ok: false, failure });
  expect(probe.evidence).toMatch(evidence);
  expect(probe.evidence).not.toContain('PRIVATE KEY');
}
