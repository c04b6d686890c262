import { isIP, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, { type ClientErrorExtensions } from 'ssh2';
import { openTunnel, type Tunnel } from './bastion.js';
import { bounded, TIME_IS_UP } from './bounded.js';
import {
  type CommandResult,
  type Reached,
  type RemoteProcess,
  type RunOptions,
  reachFrom,
  runCommand,
  startCommand,
} from './command.js';
import { dial } from './dial.js';
import { hostKeyAlgorithms, isSameKey, readPrivateKey, toOpenSshForm } from './keys.js';
import { addressOf, quote, SshError, type SshTarget } from './target.js';

export type { CommandResult, Reached, RemoteProcess };

export interface Bounds {
  timeoutMs: number;
  signal?: AbortSignal;
}

/** An authenticated connection. Whoever opened it closes it. */
export interface SshConnection {
  /** OpenSSH form; its signature was verified, and it is the pinned one if one was pinned. */
  hostKey: string;
  /** How we got in, in words. */
  evidence: string;
  /**
   * Runs one command line, and waits for its end.
   * @throws {SshError} `timeout`, `reset`, or `command-failed` when it could not be started; or the signal's reason.
   */
  run(command: string, options: RunOptions): Promise<CommandResult>;
  /** Starts a command and leaves it running, its input held open. @throws {SshError} as `run`. */
  start(command: string, bounds: Bounds): Promise<RemoteProcess>;
  /** Lets the machine connect to a TCP port of its own, or near it. @throws {SshError} `timeout` or `reset`. */
  reach(host: string, port: number, bounds: Bounds): Promise<Reached>;
  /**
   * Dials another port of the same address from where we are: from the bastion, if there is one. Of a name that is the
   * address that answered us; a bastion looks it up again. @throws {SshError}
   */
  dial(port: number, bounds: Bounds): Promise<Duplex>;
  /** Whether the connection is gone, and not by our doing. */
  isLost(): boolean;
  close(): void;
}

/** How far a connection has come: what the same error means depends on it. */
type Stage = 'accepted' | 'banner' | 'host-known' | 'authenticating' | 'in';

const WORDS: Record<Exclude<Stage, 'in'>, string> = {
  accepted: 'before the SSH banner',
  banner: 'after the banner, before the key exchange was done',
  'host-known': 'after the host key, before the key exchange was done',
  authenticating: 'while authenticating',
};

/**
 * Connects and authenticates with the one key, nothing else: no agent, no password, no other method.
 *
 * The order is the guard: the host key is compared with the pinned one before the user's name is sent.
 * @throws {SshError} classified; {@link UnreadableKeyError}; or the signal's reason when the caller aborts.
 */
export async function openSsh(target: SshTarget, { timeoutMs, signal }: Bounds): Promise<SshConnection> {
  readPrivateKey(target.privateKey);
  const { via } = target;
  return await bounded(timeoutMs, signal, async (until) => {
    const startedAt = performance.now();
    if (!via) return await shakeHands(await dial(target, until), target, until, startedAt);
    // Its own time is shorter than the whole, so that a machine that is silent is told from a bastion that is.
    const tunnel = await openTunnel({ ...target, via }, { timeoutMs: timeoutMs * PATIENCE, signal: until }, openSsh);
    return await throughTunnel(tunnel, target, until, startedAt);
  });
}

const PATIENCE = 0.8;

async function throughTunnel(
  tunnel: Tunnel,
  target: SshTarget,
  until: AbortSignal,
  startedAt: number,
): Promise<SshConnection> {
  const blaming = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw await tunnel.blame(error);
    }
  };
  try {
    const inner = await blaming(shakeHands(tunnel.channel, target, until, startedAt));
    return {
      ...inner,
      evidence: `${inner.evidence}; through the bastion ${target.via ? addressOf(target.via) : ''}`,
      run: (command, options) => blaming(inner.run(command, options)),
      start: (command, bounds) => blaming(inner.start(command, bounds)),
      reach: (host, port, bounds) => blaming(inner.reach(host, port, bounds)),
      dial: (port, bounds) => tunnel.dial(target.host, port, bounds),
      close: () => {
        inner.close();
        tunnel.close();
      },
    };
  } catch (error) {
    tunnel.close();
    throw error;
  }
}

async function shakeHands(
  socket: Duplex,
  target: SshTarget,
  signal: AbortSignal,
  startedAt: number,
): Promise<SshConnection> {
  const client = new ssh2.Client();
  const elapsed = (): number => Math.round(performance.now() - startedAt);
  const address = (isIP(target.host) === 0 && socket instanceof Socket && socket.remoteAddress) || target.host;
  const firstLine = readFirstLine(socket, () => advance('banner'));
  let stage: Stage = 'accepted';
  let hostKey = '';
  let isClosed = false;
  let isOurs = false;
  function advance(to: Stage): void {
    stage = to;
  }

  return await new Promise<SshConnection>((resolve, reject) => {
    let isSettled = false;
    const settle = (): boolean => {
      const isFirst = !isSettled;
      isSettled = true;
      signal.removeEventListener('abort', stop);
      return isFirst;
    };
    const fail = (error: unknown): void => {
      if (settle()) reject(error);
      client.destroy();
      socket.destroy();
    };
    const stop = (): void => {
      fail(signal.reason === TIME_IS_UP ? timedOut(stage, firstLine.text(), target, elapsed()) : signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });

    client.on('handshake', () => advance('authenticating'));
    client.on('error', (error) => fail(toSshError(error, stage, firstLine.text(), target, hostKey)));
    client.on('close', () => {
      isClosed = true;
      fail(cut(stage, firstLine.text(), target));
    });
    client.on('ready', () => {
      advance('in');
      if (!settle()) return;
      const how = `${quote(firstLine.text())}; publickey accepted for ${target.user}; ${elapsed()} ms`;
      resolve({
        hostKey,
        evidence: `${addressOf(target)} answered ${how}`,
        run: (command, bounds) => runCommand(client, command, bounds),
        start: (command, bounds) => startCommand(client, command, bounds),
        reach: (host, port, bounds) => reachFrom(client, host, port, bounds),
        dial: (port, { timeoutMs, signal }) =>
          bounded(timeoutMs, signal, (until) => dial({ host: address, port }, until)),
        isLost: () => isClosed && !isOurs,
        close: () => {
          isOurs = true;
          client.end();
          if (socket instanceof Socket) socket.destroySoon();
          else socket.end();
        },
      });
    });
    client.connect({
      sock: socket,
      username: target.user,
      privateKey: target.privateKey,
      authHandler: ['publickey'],
      agent: undefined,
      readyTimeout: 0, // ours bounds the whole attempt
      keepaliveInterval: 5_000,
      keepaliveCountMax: 3,
      algorithms: { serverHostKey: hostKeyAlgorithms(target.pinnedHostKey) },
      hostVerifier: (key: Buffer) => {
        hostKey = toOpenSshForm(key);
        advance('host-known');
        return target.pinnedHostKey === undefined || isSameKey(hostKey, target.pinnedHostKey);
      },
    });
    // An abort between the dial and this line would else go unheard.
    if (signal.aborted) stop();
  });
}

/** ssh2 hides the banner, and does not say when it came: hence a look at the bytes as they pass. */
function readFirstLine(socket: Duplex, onBanner: () => void): { text: () => string } {
  let text = '';
  const listen = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    const line = /^SSH-[^\r\n]*(?=\r?\n)/m.exec(text)?.[0];
    if (line === undefined && text.length < 4_096) return;
    socket.off('data', listen);
    text = line ?? text.slice(0, 200);
    if (line !== undefined) onBanner();
  };
  socket.on('data', listen);
  return { text: () => text };
}

function timedOut(stage: Stage, heard: string, target: SshTarget, ms: number): SshError {
  const about = addressOf(target);
  if (stage !== 'accepted' && stage !== 'in') {
    return new SshError(
      'timeout',
      `${about} answered ${quote(heard)} and was not done within ${ms} ms: stuck ${WORDS[stage]}`,
    );
  }
  return heard
    ? new SshError('silent', `${about} accepted TCP and says ${quote(heard)}, which is not SSH`)
    : new SshError('silent', `${about} accepted TCP and sent no SSH banner within ${ms} ms`);
}

function cut(stage: Stage, heard: string, target: SshTarget): SshError {
  const when = stage === 'in' ? 'after authentication' : WORDS[stage];
  const said = heard ? `; it had said ${quote(heard)}` : '';
  return new SshError('reset', `${addressOf(target)} cut the connection ${when}${said}`);
}

type ClientError = Error & ClientErrorExtensions & { code?: string | number };

function toSshError(error: ClientError, stage: Stage, heard: string, target: SshTarget, hostKey: string): SshError {
  const about = addressOf(target);
  if (/Host denied/.test(error.message)) {
    return new SshError(
      'wrong-host-key',
      `${about} shows the host key ${hostKey}, not the pinned ${target.pinnedHostKey?.trim()}; nothing was sent to it`,
    );
  }
  // A host key is public: whoever cannot sign with it has only copied it.
  if (/signature verification failed/i.test(error.message)) {
    return new SshError('wrong-host-key', `${about} shows the host key ${hostKey} and cannot sign with it`);
  }
  if (error.level === 'client-authentication') return keyRejected(target);
  if (stage === 'authenticating' && /authentication/i.test(error.message)) return keyRejected(target);
  if (stage === 'accepted' && error.level === 'protocol' && heard && !/Connection lost/.test(error.message)) {
    return new SshError('silent', `${about} accepted TCP and says ${quote(heard)}, which is not SSH`);
  }
  if (error.level === 'handshake') {
    return new SshError('reset', `the key exchange with ${about} failed: ${quote(error.message)}`);
  }
  return cut(stage, heard, target);
}

function keyRejected(target: SshTarget): SshError {
  return new SshError('key-rejected', `${addressOf(target)} does not accept our key for ${target.user}`);
}
