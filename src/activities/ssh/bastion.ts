import type { ClientChannel } from 'ssh2';
import type { Bounds, SshConnection } from './connection.js';
import { addressOf, type Bastion, quote, SshError, type SshTarget } from './target.js';

/** A connection to a machine that a bastion made for us. */
export interface Tunnel {
  channel: ClientChannel;
  /** Another one, to any port that the bastion can see. @throws {SshError} as a dial of our own, or `bastion`. */
  dial(host: string, port: number, bounds: Bounds): Promise<ClientChannel>;
  /** A failure of the machine's, unless it was the bastion that went away. */
  blame(error: unknown): Promise<unknown>;
  close(): void;
}

/**
 * Logs into the bastion, and lets it connect to the machine. What the bastion does is never said to be the machine's doing.
 * @throws {SshError} `bastion`; or `refused`, `silent`, `reset`, `unresolved`: what the bastion met where the machine should be.
 */
export async function openTunnel(
  { host, port, via }: Pick<SshTarget, 'host' | 'port'> & { via: Bastion },
  bounds: Bounds,
  openSsh: (target: SshTarget, bounds: Bounds) => Promise<SshConnection>,
): Promise<Tunnel> {
  const about = `the bastion ${addressOf(via)}`;
  const jump = await openSsh(via, bounds).catch((error: unknown) => {
    if (!(error instanceof SshError)) throw error;
    const why = `${about} does not let us in (${error.failure}): ${error.message}`;
    throw new SshError('bastion', why, { isFinal: error.isFinal });
  });
  const dial: Tunnel['dial'] = async (to, at, within) =>
    await connectThrough(jump, about, { host: to, port: at }, within);
  try {
    const channel = await dial(host, port, bounds);
    return {
      channel,
      dial,
      blame: async (error) => {
        await new Promise((resolve) => setImmediate(resolve)); // the machine's connection ends before the bastion's does
        return jump.isLost() ? new SshError('bastion', `${about} was lost while we were on the machine`) : error;
      },
      close: () => jump.close(),
    };
  } catch (error) {
    jump.close();
    throw error;
  }
}

async function connectThrough(
  jump: SshConnection,
  about: string,
  target: Pick<SshTarget, 'host' | 'port'>,
  bounds: Bounds,
): Promise<ClientChannel> {
  const where = addressOf(target);
  const reached = await jump.reach(target.host, target.port, bounds).catch((error: unknown) => {
    if (!(error instanceof SshError)) throw error;
    // The bastion waits as long as the machine is silent.
    if (error.failure === 'timeout')
      throw new SshError('silent', `${where} did not accept a TCP connection from ${about}`);
    throw new SshError('bastion', `${about} was lost before it reached ${where}`);
  });
  switch (reached.outcome) {
    case 'answered':
      return reached.channel;
    case 'prohibited':
      throw new SshError('bastion', `${about} lets us in, and does not forward to ${where}`);
    case 'refused': {
      const said = `${about} says ${quote(reached.said)}`;
      if (/refused/i.test(reached.said)) throw new SshError('refused', `${where} refuses TCP connections: ${said}`);
      if (/name|resol|not known|no address/i.test(reached.said)) {
        throw new SshError('unresolved', `the name ${target.host} has no address where the bastion is: ${said}`);
      }
      if (/reset/i.test(reached.said)) throw new SshError('reset', `${where} cut the connection: ${said}`);
      if (/timed? ?out|no route to host|host is (?:down|unreachable)/i.test(reached.said)) {
        throw new SshError('silent', `${where} did not accept a TCP connection: ${said}`);
      }
      throw new SshError('bastion', `${about} cannot dial ${where}: it says ${quote(reached.said)}`);
    }
  }
}
