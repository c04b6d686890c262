import type { Duplex } from 'node:stream';
import { bounded, TIME_IS_UP } from '../ssh/bounded.js';
import type { SshConnection } from '../ssh/connection.js';
import { SshError, type SshFailure } from '../ssh/target.js';

/** What a stranger meets at a port. */
export type Met = Answer | Nothing;

/** TCP is accepted; `said` is what came first, if anything came soon. */
export interface Answer {
  met: 'an answer';
  said: string;
}

/** Refused, silent, unreachable, or cut before a byte: nobody gets through. */
export interface Nothing {
  met: 'nothing';
  how: string;
}

/** Three SYNs by the kernel's own clock (0, 1 and 3 s): a lost packet is no firewall. In ms. */
const SILENCE_MS = 3_500;
/** Our listener speaks first. Whoever accepts and says nothing for this long has still accepted. In ms. */
const FIRST_WORD_MS = 500;

/** What the machine, or whoever guards it, did. The other failures are our own, or the bastion's: nothing was seen. */
const NOTHING: ReadonlySet<SshFailure> = new Set(['refused', 'silent', 'reset']);

/**
 * Looks at one port from where we are, or from where the bastion is.
 * @throws {SshError} `unresolved`, `worker` or `bastion`, when nobody looked; or the signal's reason.
 */
export async function lookFromOutside(
  connection: Pick<SshConnection, 'dial'>,
  port: number,
  signal?: AbortSignal,
): Promise<Met> {
  try {
    const socket = await connection.dial(port, { timeoutMs: SILENCE_MS, signal });
    const said = await firstWord(socket, signal);
    socket.destroy();
    return said === undefined ? { met: 'nothing', how: 'cut' } : { met: 'an answer', said };
  } catch (error) {
    if (error instanceof SshError && NOTHING.has(error.failure)) return { met: 'nothing', how: error.failure };
    throw error;
  }
}

/**
 * Shows that who looks is able to see: dials SSH's port, which answers whatever the rules are. @throws {SshError} when it
 * does not; or the signal's reason.
 */
export async function seeSsh(connection: Pick<SshConnection, 'dial'>, sshPort: number, signal?: AbortSignal) {
  const socket = await connection.dial(sshPort, { timeoutMs: SILENCE_MS, signal });
  socket.destroy();
}

/** What comes first: empty when it closes or waits in silence, `undefined` when it is cut. */
export async function firstWord(stream: Duplex, signal?: AbortSignal): Promise<string | undefined> {
  return await bounded(FIRST_WORD_MS, signal, async (until) => {
    return await new Promise<string | undefined>((resolve, reject) => {
      const stop = (): void => (until.reason === TIME_IS_UP ? resolve('') : reject(until.reason));
      until.addEventListener('abort', stop, { once: true });
      stream.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')));
      stream.once('end', () => resolve(''));
      stream.on('error', () => resolve(undefined));
      stream.once('close', () => resolve(''));
    });
  });
}
