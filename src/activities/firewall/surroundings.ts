import { isIP } from 'node:net';
import type { SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';

/** Who talks to whom, seen from the machine. */
export interface Surroundings {
  /** Our address, as the machine sees it. */
  us?: string;
  /** The machine's own address, and SSH's port there. */
  address: string;
  port?: number;
}

/** Asks the SSH server who is talking to it, and where: addresses may be translated between us. */
export async function lookAround(connection: SshConnection, until: Until): Promise<Surroundings> {
  const { stdout } = await connection.run('printenv SSH_CONNECTION', until(10_000));
  const [client = '', , server = '', port = ''] = stdout.trim().split(/\s+/).map(plainAddress);
  if (isIP(server) === 0) return { address: '127.0.0.1' };
  return {
    address: server,
    ...(isIP(client) !== 0 && { us: client }),
    ...(/^\d+$/.test(port) && { port: Number(port) }),
  };
}

/** IPv4 in an IPv6 coat is IPv4; a zone is of no use here. */
function plainAddress(text: string): string {
  return text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}
