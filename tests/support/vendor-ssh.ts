import { createServer } from 'node:net';

/**
 * Where a simulated machine answers SSH in a vendor's format that names no port: 22 of its own address, or, where the
 * OS does not let us bind that, 2222. For the credential's `sshPort`.
 */
export async function sshPortHere(): Promise<number> {
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(22, '127.203.0.1', () => resolve(true));
  });
  await new Promise((resolve) => server.close(resolve));
  return isFree ? 22 : 2222;
}
