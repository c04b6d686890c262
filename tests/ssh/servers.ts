import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Connection, type ParsedKey } from 'ssh2';
import type { SshTarget } from '../../src/activities/ssh-probe.js';

/** Made by OpenSSH's own tool where it is, for that is who makes the keys that users bring. */
export function makeKey(type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519'): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-key-'));
  try {
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', join(folder, 'key')]);
    return readFileSync(join(folder, 'key'), 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a command does on a `serveSsh` machine: its exit code and output, or nothing for "never ends". */
export type Shell = (
  command: string,
  connection: Connection,
) => { exit?: number; stdout?: string; killedBy?: string } | undefined;

export interface Served {
  port: number;
  /** Methods by which somebody tried to get in, oldest first. */
  attempts: string[];
  /** Commands that were run. */
  commands: string[];
  close(): Promise<void>;
}

/** A real SSH server on loopback. */
export async function serveSsh(options: {
  hostKeys: (string | ParsedKey)[];
  /** Public keys that are let in, asked at each attempt. Absent: every key. */
  allows?: (publicKey: string) => boolean;
  shell?: Shell;
  address?: string;
}): Promise<Served> {
  const attempts: string[] = [];
  const commands: string[] = [];
  // ssh2 takes a parsed key as `{ key }`; its types know text only.
  const hostKeys = options.hostKeys.map((key) => (typeof key === 'string' ? key : { key })) as string[];
  const server = new ssh2.Server({ hostKeys }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (attempt) => {
      attempts.push(attempt.method);
      if (attempt.method !== 'publickey') return attempt.reject(['publickey']);
      const line = `${publicType(attempt.key.data)} ${attempt.key.data.toString('base64')}`;
      return options.allows && !options.allows(line) ? attempt.reject(['publickey']) : attempt.accept();
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        commands.push(command);
        const channel = acceptExec();
        channel.on('error', () => undefined);
        const end = options.shell ? options.shell(command, connection) : { exit: 0 };
        if (!end) return;
        if (end.stdout) channel.write(end.stdout);
        if (end.killedBy) channel.exit(end.killedBy);
        else if (end.exit !== undefined) channel.exit(end.exit);
        channel.end();
      });
    });
  });
  const tcp = await listen(
    createServer({ noDelay: true }, (socket) => server.injectSocket(socket)),
    options.address,
  );
  return { ...tcp, attempts, commands };
}

/** A TCP server that does as told with each connection. */
export async function serveTcp(greet: (socket: Socket) => void, address?: string): Promise<Served> {
  const tcp = await listen(createServer(greet), address);
  return { ...tcp, attempts: [], commands: [] };
}

async function listen(server: Server, address = '127.0.0.1'): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { port: (server.address() as AddressInfo).port, close };
}

/** A port of loopback where nothing listens. */
export async function freePort(): Promise<number> {
  const { port, close } = await serveTcp(() => undefined);
  await close();
  return port;
}

export function target(port: number, privateKey: string, more: Partial<SshTarget> = {}): SshTarget {
  return { host: '127.0.0.1', port, user: 'ubuntu', privateKey, ...more };
}

/** The host key of somebody who knows `shown` by its public half only, and signs with `owned`. */
export function copiedHostKey(owned: string, shown: string): ParsedKey {
  const copy = parse(shown);
  return Object.assign(parse(owned), { getPublicSSH: () => copy.getPublicSSH() });
}

function parse(text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error || Array.isArray(key)) throw new Error('the key of a test does not parse');
  return key;
}

function publicType(blob: Buffer): string {
  return blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1');
}
