import { connect, isIP, type Socket } from 'node:net';
import { TIME_IS_UP } from './bounded.js';
import { addressOf, SshError, type SshTarget } from './target.js';

/** Before the next address of a name is tried, in ms. Node's own 250 ms gives up on machines across an ocean. */
const NEXT_ADDRESS_AFTER_MS = 2_000;

/**
 * A TCP connection without Nagle's delay (with it one probe takes up to half a second instead of 5 ms).
 * @throws {SshError} `unresolved`, `refused`, `silent`, `reset` or `worker`; or the signal's reason.
 */
export async function dial(target: Pick<SshTarget, 'host' | 'port'>, signal: AbortSignal): Promise<Socket> {
  const { host, port } = target;
  const startedAt = performance.now();
  let isResolved = isIP(host) !== 0;
  return await new Promise<Socket>((resolve, reject) => {
    const socket = connect({
      host,
      port,
      noDelay: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
    });
    const fail = (error: unknown): void => {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      reject(error);
    };
    const stop = (): void => {
      const ms = Math.round(performance.now() - startedAt);
      if (signal.reason !== TIME_IS_UP) fail(signal.reason);
      else if (!isResolved) fail(new SshError('unresolved', `the name ${host} was not resolved within ${ms} ms`));
      else fail(new SshError('silent', `${addressOf(target)} did not accept a TCP connection within ${ms} ms`));
    };
    signal.addEventListener('abort', stop, { once: true });
    socket.on('lookup', (error) => {
      isResolved = !error;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => fail(toSshError(error, target, isResolved)));
    socket.on('connect', () => {
      signal.removeEventListener('abort', stop);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

function toSshError(
  error: NodeJS.ErrnoException,
  target: Pick<SshTarget, 'host' | 'port'>,
  isResolved: boolean,
): SshError {
  const codes = codesOf(error);
  const about = addressOf(target);
  if (!isResolved) return new SshError('unresolved', `the name ${target.host} has no address (${codes.join(', ')})`);
  // A name may have several addresses: one that refuses says more than one that is silent.
  if (codes.includes('ECONNREFUSED')) return new SshError('refused', `${about} refuses TCP connections`);
  if (codes.includes('ECONNRESET')) return new SshError('reset', `${about} cut the connection before the SSH banner`);
  if (codes.some((code) => NO_ANSWER.has(code))) {
    return new SshError('silent', `${about} did not accept a TCP connection (${codes.join(', ')})`);
  }
  return new SshError('worker', `this worker cannot dial ${about} (${codes.join(', ')})`);
}

/** What the network says of a machine. Any other code is this computer's own. */
const NO_ANSWER: ReadonlySet<string> = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN']);

function codesOf(error: NodeJS.ErrnoException): string[] {
  const each: NodeJS.ErrnoException[] = error instanceof AggregateError ? error.errors : [error];
  return [...new Set(each.map(({ code }) => code ?? 'unknown error'))];
}
