import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { SSH_PORT } from './firewall.js';

/*
 * Every machine has an address of its own in 127.0.0.0/8, all of which Linux routes to itself. Several simclouds live
 * on one computer (parallel tests), so an address is taken in blocks of 253 (a /24), and a block belongs to whoever
 * listens on its marker, 127.x.y.1:21722. Blocks are picked at random, and not from the seed: two runs of one seed at
 * once must not fight. macOS routes 127.0.0.1 alone: there all machines share it, each with an SSH port of its own.
 */

const MARKER_PORT = 21722;
const FIRST_HOST = 2;
const LAST_HOST = 254;
/** Of its own address, so every machine can have the same. */
const HIGH_SSH_PORT = 2222;

export type SshBind = 'loopback-22' | 'high-port' | 'auto';

export interface Lease {
  address: string;
  sshPort: number;
}

export class Addresses {
  readonly #markers: Server[] = [];
  #block: { prefix: string; next: number } | undefined;
  #taking: Promise<void> | undefined;

  private constructor(
    readonly mode: 'own-address' | 'shared-address',
    private readonly sshPort: number,
  ) {}

  /** @throws {Error} when `loopback-22` is asked for and the OS does not let us. */
  static async open(bind: SshBind, sharedAddress = false): Promise<Addresses> {
    const address = `127.${randomInt(1, 255)}.${randomInt(0, 256)}.1`;
    if (sharedAddress || (await tryBind(address, 0)) === 'EADDRNOTAVAIL') {
      if (bind === 'loopback-22')
        throw new Error('this system has no loopback address but 127.0.0.1: ssh.bind must be high-port');
      return new Addresses('shared-address', 0);
    }
    if (bind === 'high-port') return new Addresses('own-address', HIGH_SSH_PORT);
    const refusal = await tryBind(address, SSH_PORT);
    if (refusal && bind === 'loopback-22') throw new Error(`port 22 of ${address} cannot be bound: ${refusal}`);
    return new Addresses('own-address', refusal ? HIGH_SSH_PORT : SSH_PORT);
  }

  /** Leases are never taken back: no later machine meets the known_hosts line of an earlier one. */
  async lease(): Promise<Lease> {
    if (this.mode === 'shared-address') return { address: '127.0.0.1', sshPort: await freePort() };
    for (;;) {
      if (this.#block && this.#block.next <= LAST_HOST) {
        return { address: `${this.#block.prefix}.${this.#block.next++}`, sshPort: this.sshPort };
      }
      this.#taking ??= this.#takeBlock().finally(() => {
        this.#taking = undefined;
      });
      await this.#taking;
    }
  }

  /** Marks the blocks of machines from before a restart as ours again; new machines get new blocks. */
  async reclaim(addresses: string[]): Promise<void> {
    const prefixes = new Set(addresses.map((address) => address.split('.').slice(0, 3).join('.')));
    for (const prefix of prefixes) {
      if (prefix === '127.0.0') continue;
      const marker = await listen(`${prefix}.1`, MARKER_PORT);
      if (typeof marker !== 'string') this.#markers.push(marker);
    }
  }

  close(): void {
    for (const marker of this.#markers) marker.close();
  }

  async #takeBlock(): Promise<void> {
    for (;;) {
      const prefix = `127.${randomInt(1, 255)}.${randomInt(0, 256)}`;
      const marker = await listen(`${prefix}.1`, MARKER_PORT);
      if (marker === 'EADDRINUSE') continue;
      if (typeof marker === 'string') throw new Error(`no loopback address can be taken: ${marker}`);
      this.#markers.push(marker);
      this.#block = { prefix, next: FIRST_HOST };
      return;
    }
  }
}

/** A server that hangs up on everybody; or the error's code. */
function listen(address: string, port: number): Promise<Server | string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, address, () => resolve(server));
    server.unref();
  });
}

async function tryBind(address: string, port: number): Promise<string | undefined> {
  const server = await listen(address, port);
  if (typeof server === 'string') return server;
  await new Promise((resolve) => server.close(resolve));
  return undefined;
}

async function freePort(): Promise<number> {
  const server = await listen('127.0.0.1', 0);
  if (typeof server === 'string') throw new Error(`no port is free: ${server}`);
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address and a port');
  return address.port;
}
