import type { SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import { firstWord } from './outside.js';

/** How long the machine may take to connect to itself, in ms. */
const CONNECT_MS = 3_000;

/**
 * Those of the machine's ports on which somebody answers, asked on the machine itself: through SSH's own forwarding; where
 * the server forwards nothing, by one bash for all of them, since sshd may give a connection few sessions.
 */
export async function answeringInside(
  connection: Pick<SshConnection, 'reach' | 'run'>,
  address: string,
  ports: readonly number[],
  until: Until,
): Promise<number[]> {
  const answering: number[] = [];
  const prohibited: number[] = [];
  await Promise.all(
    ports.map(async (port) => {
      const reached = await connection.reach(address, port, until(CONNECT_MS));
      if (reached.outcome === 'prohibited') prohibited.push(port);
      if (reached.outcome !== 'answered') return;
      const said = await firstWord(reached.channel, until().signal);
      reached.channel.destroy();
      if (said !== undefined) answering.push(port);
    }),
  );
  if (prohibited.length === 0) return answering;
  const each = `for p in ${prohibited.join(' ')}; do (: </dev/tcp/${address}/$p) && echo $p; done`;
  const { stdout } = await connection.run(`bash -c '${each}'`, until(CONNECT_MS));
  return [...answering, ...(stdout.match(/^\d+$/gm) ?? []).map(Number)];
}
