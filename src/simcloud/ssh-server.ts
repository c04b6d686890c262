import type { Socket } from 'node:net';
import ssh2, {
  type AuthContext,
  type ClientInfo,
  type Connection,
  type ParsedKey,
  type ServerChannel,
  type Session,
} from 'ssh2';
import { SSH_PORT } from './firewall.js';
import { type Inside, type Io, runCommandLine } from './shell.js';

export interface SshServerOptions {
  /** OpenSSH private key. */
  hostKey: string;
  user: string;
  /** Of the machine, as it knows itself. */
  address: string;
  /** Asked at every attempt. */
  publicKeys: () => string[];
  inside: Inside;
}

/** A real SSH server on sockets that somebody else accepted. One user, public keys only; forwarding to the machine’s own ports, no SFTP. */
export class SshServer {
  readonly #server: ssh2.Server;

  constructor(private readonly options: SshServerOptions) {
    this.#server = new ssh2.Server(
      { hostKeys: [options.hostKey], ident: 'SSH-2.0-OpenSSH_8.9p1 Simcloud' },
      (client, info) => this.#greet(client, info),
    );
  }

  /** The socket must have setNoDelay: without it each exchange waits for the other side's delayed ACK. */
  accept(socket: Socket): void {
    this.#server.injectSocket(socket);
  }

  #greet(client: Connection, { ip, port }: ClientInfo): void {
    const { address } = this.options;
    const env = { SSH_CONNECTION: `${ip} ${port} ${address} ${SSH_PORT}` };
    client.on('error', () => undefined); // a caller that resets mid-handshake is no event
    client.on('authentication', (attempt) => this.#authenticate(attempt));
    client.on('session', (accept) => this.#serve(accept(), env));
    client.on('tcpip', (accept, reject, { destIP, destPort }) => {
      const { inside } = this.options;
      const isHere = [address, '127.0.0.1', 'localhost'].includes(destIP) && inside.ports().includes(destPort);
      if (isHere) inside.enter(destPort, accept());
      else reject();
    });
  }

  #authenticate(attempt: AuthContext): void {
    if (attempt.method !== 'publickey' || attempt.username !== this.options.user) {
      attempt.reject(['publickey']);
      return;
    }
    const key = this.options
      .publicKeys()
      .map(parsePublicKey)
      .find((known) => known?.getPublicSSH().equals(attempt.key.data));
    // Without a signature the caller only asks whether the key would do.
    const isProven =
      key &&
      (!attempt.signature || !attempt.blob || key.verify(attempt.blob, attempt.signature, attempt.hashAlgo) === true);
    if (isProven) attempt.accept();
    else attempt.reject(['publickey']);
  }

  #serve(session: Session, env: Io['env']): void {
    session.on('pty', (accept) => accept?.());
    session.on('env', (accept) => accept?.());
    session.on('exec', (accept, _reject, { command }) => void this.#run(command, accept(), env));
    session.on('shell', (accept) => this.#converse(accept(), env));
  }

  async #run(command: string, channel: ServerChannel, env: Io['env']): Promise<void> {
    const { io, isOpen } = toIo(channel, env);
    channel.resume(); // stdin is not read, and its end must be noticed
    const code = await runCommandLine(command, this.options.inside, io);
    if (!isOpen()) return;
    channel.exit(code);
    channel.end();
  }

  /** A shell that reads a line, runs it and prompts again, until `exit` or the end of input. */
  #converse(channel: ServerChannel, env: Io['env']): void {
    const { io } = toIo(channel, env);
    const prompt = `${this.options.user}@${this.options.inside.hostname}:~$ `;
    let typed = '';
    let turn: Promise<void> = Promise.resolve();
    const finish = (): void => {
      channel.exit(0);
      channel.end();
    };
    const take = async (line: string): Promise<void> => {
      if (/^(exit|logout)\b/.test(line)) return finish();
      await runCommandLine(line, this.options.inside, io);
      channel.write(prompt);
    };
    channel.write(prompt);
    channel.on('data', (data: Buffer) => {
      typed += data.toString().replace(/\r/g, '\n');
      const lines = typed.split('\n');
      typed = lines.pop() ?? '';
      for (const line of lines) turn = turn.then(() => take(line.trim()));
    });
    channel.on('end', () => void turn.then(finish));
  }
}

function toIo(channel: ServerChannel, env: Io['env']): { io: Io; isOpen: () => boolean } {
  const hangUp = new AbortController();
  channel.on('close', () => hangUp.abort());
  channel.on('error', () => hangUp.abort());
  const isOpen = (): boolean => !hangUp.signal.aborted;
  const inputEnd = new Promise<void>((resolve) => {
    channel.once('end', resolve);
    channel.once('close', resolve);
  });
  const io: Io = {
    env,
    inputEnd,
    jobs: new Set(),
    out: (text) => void (isOpen() && channel.write(text)),
    err: (text) => void (isOpen() && channel.stderr.write(text)),
    signal: hangUp.signal,
  };
  return { io, isOpen };
}

export function isPublicKey(line: string): boolean {
  return !/[\r\n]/.test(line.trim()) && parsePublicKey(line) !== undefined;
}

function parsePublicKey(line: string): ParsedKey | undefined {
  const parsed = ssh2.utils.parseKey(line);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  return !key || key instanceof Error || key.isPrivateKey() ? undefined : key;
}

/** The public half, as a known_hosts line would name it: `ssh-ed25519 AAAA…`. */
export function toPublicHostKey(privateKey: string): string {
  const parsed = ssh2.utils.parseKey(privateKey);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (!key || key instanceof Error) throw new Error('a host key of ours does not parse', { cause: key });
  return `${key.type} ${key.getPublicSSH().toString('base64')}`;
}
