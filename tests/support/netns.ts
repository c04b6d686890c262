import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { promisify } from 'node:util';
import { publicKeyOf, type SshTarget } from '../../src/activities/ssh-probe.js';

/*
 * Hosts of our own: a network, mount and process namespace each, with a real sshd on port 22 and room for a real
 * firewall, reached from here over a veth pair.
 *
 * Nothing of a host lies outside its namespaces, and they have no names: they end with the process that holds them,
 * which ends with its stdin. So a test run that is killed leaves nothing behind, not even a veth.
 */

/** Its first process. /etc, /var/lib and /usr/local/sbin are copies on write, /run is empty. */
const INIT = `set -e
mount -t tmpfs tmpfs /run
mkdir /run/sshd
for folder in /etc /var/lib /usr/local/sbin; do
  copy=/run/copies/$(echo "$folder" | tr / _)
  mkdir -p "$copy/up" "$copy/work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$copy/up,workdir=$copy/work" "$folder"
done
ip link set lo up
echo up
exec cat >/dev/null`;

export interface Ran {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface SshdOptions {
  /** Private key. */
  hostKey: string;
  /** Lines of `sshd_config`. */
  config?: readonly string[];
}

export class NetnsHost {
  readonly user = 'root';
  #sshd: ChildProcess | undefined;
  /** One `nsenter` each, on this side of the process namespace. */
  readonly #children = new Set<ChildProcess>();

  private constructor(
    private readonly holder: ChildProcess,
    private readonly link: string,
    /** As seen from here. */
    readonly address: string,
    readonly address6: string,
    /** Where we stand, as seen from the host. */
    readonly outside: string,
    readonly outside6: string,
  ) {}

  /** Up, with addresses and without sshd. Whoever makes it removes it. */
  static async make(): Promise<NetnsHost> {
    const namespaces = ['-m', '-n', '-p', '-f', '--mount-proc', '--kill-child', '--propagation', 'private'];
    const holder = spawn('unshare', [...namespaces, 'sh', '-c', INIT], { stdio: ['pipe', 'pipe', 'inherit'] });
    await saying(holder, 'up');
    const block = await claimBlock(holder);
    const { link, ours, theirs, ours6, theirs6 } = addressesOf(block);
    const host = new NetnsHost(holder, link, theirs, theirs6, ours, ours6);
    await command('ip', 'addr', 'add', `${ours}/30`, 'dev', link);
    await command('ip', 'addr', 'add', `${ours6}/64`, 'dev', link, 'nodad');
    await command('ip', 'link', 'set', link, 'up');
    await host.must(`ip addr add ${theirs}/30 dev eth0; ip addr add ${theirs6}/64 dev eth0 nodad; ip link set eth0 up
      ip route add default via ${ours}; ip -6 route add default via ${ours6}`);
    return host;
  }

  /** Ends every process of the host; its namespaces go with them. */
  async remove(): Promise<void> {
    // A process namespace ends when all in it are reaped, which is their parents' work: those are here.
    for (const child of this.#children) child.kill('SIGKILL');
    const gone = this.holder.exitCode === null ? once(this.holder, 'exit') : undefined;
    this.holder.stdin?.end();
    await gone;
    // The kernel takes the veth along when it gets to it; the address shall be free now.
    await command('ip', 'link', 'del', this.link).catch(() => undefined);
  }

  target(privateKey: string, more: Partial<SshTarget> = {}): SshTarget {
    return { host: this.address, port: 22, user: this.user, privateKey, ...more };
  }

  /** A command line on the host, as root. */
  async run(script: string): Promise<Ran> {
    const [file, ...args] = this.#inside('sh', '-c', script);
    return await new Promise<Ran>((resolve) => {
      execFile(file, args, { maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
        resolve({ exitCode: error ? Number(error.code ?? 255) : 0, stdout, stderr });
      });
    });
  }

  /** @returns what it printed. @throws when it does not exit 0. */
  async must(script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(`set -e\n${script}`);
    if (exitCode !== 0) throw new Error(`on the host, exit ${exitCode}: ${script}\n${stderr}`);
    return stdout;
  }

  /** A process that stays until it or the host is ended; resolves once it has said `word`. */
  async start(word: string, ...args: string[]): Promise<ChildProcess> {
    const [file, ...rest] = this.#inside(...args);
    const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    await saying(child, word);
    return child;
  }

  /** Writes a file of the host; `mode` as chmod has it. */
  async write(path: string, text: string, mode = '0600'): Promise<void> {
    const data = Buffer.from(text).toString('base64');
    await this.must(`echo ${data} | base64 -d >${path}; chmod ${mode} ${path}`);
  }

  /** A TCP server that says "hello" to everybody, IPv4 and IPv6. */
  async listen(port: number): Promise<void> {
    await this.start('listening', process.execPath, '-e', helloServer(port));
  }

  /** Starts sshd; `authorized` is the private key of whoever is let in. */
  async startSshd(authorized: string, { hostKey, config = [] }: SshdOptions): Promise<void> {
    await this.write('/etc/ssh/slipway_host_key', hostKey);
    await this.write('/etc/ssh/slipway_authorized_keys', publicKeyOf(authorized), '0644');
    const lines = [
      ...config, // the first line of a kind counts
      'HostKey /etc/ssh/slipway_host_key',
      'AuthorizedKeysFile /etc/ssh/slipway_authorized_keys',
      'PidFile /run/sshd.pid',
      'UsePAM no',
      'SetEnv SHLVL=1', // else bash reads root's own .bashrc, and does whatever stands there
      'UseDNS no',
    ];
    await this.write('/etc/ssh/sshd_config', `${lines.join('\n')}\n`);
    this.#sshd = await this.start('Server listening on ::', '/usr/sbin/sshd', '-D', '-e');
  }

  /** Resolves once sshd is gone, and its port free. Open sessions live on. */
  async stopSshd(): Promise<void> {
    const sshd = this.#sshd;
    if (!sshd) return;
    const gone = once(sshd, 'exit');
    await this.signalSshd('TERM');
    await gone;
    this.#sshd = undefined;
  }

  async signalSshd(signal: 'TERM' | 'STOP' | 'CONT'): Promise<void> {
    // nsenter stops itself with its child, and wakes the child when it is woken.
    if (signal === 'CONT') this.#sshd?.kill('SIGCONT');
    else await this.must(`kill -${signal} "$(cat /run/sshd.pid)"`);
  }

  #inside(...args: string[]): [string, ...string[]] {
    const pid = String(this.holder.pid);
    return ['nsenter', '-t', pid, '-n', '-m', `--pid=/proc/${pid}/ns/pid_for_children`, ...args];
  }
}

/** Whether a "hello" comes back. A firewall drops without a word: no answer in `timeoutMs` means no. */
export async function answers(host: string, port: number, timeoutMs = 1_500): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.on('data', () => end(true));
    socket.on('timeout', () => end(false));
    socket.on('error', () => end(false));
    socket.on('end', () => end(false));
  });
}

/** A server of ours, on the host's own link: says "hello" to whoever comes out. */
export async function listenOutside(address: string): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => socket.end('hello'));
  server.listen(0, address);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

export function helloServer(port: number): string {
  return `require('net').createServer((s) => { s.on('error', () => {}); s.end('hello'); }).listen(${port}, '::', () => console.log('listening'))`;
}

/** 10.231.x.y, four addresses a host. The last 64 blocks are for networks inside hosts. */
const BLOCKS = 255 * 64;

/** The veth's name is the claim: the kernel gives each only once, to whichever process asks first. */
async function claimBlock(holder: ChildProcess): Promise<number> {
  for (let attempt = 0; attempt < BLOCKS; attempt++) {
    const block = (process.pid * 61 + attempt) % BLOCKS;
    const { link } = addressesOf(block);
    try {
      await command('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder.pid));
      return block;
    } catch (error) {
      if (!String(error).includes('File exists')) throw error;
    }
  }
  throw new Error('every block of 10.231.0.0/16 is taken');
}

function addressesOf(block: number) {
  const network = `10.231.${block >> 6}.`;
  const first = (block & 63) * 4;
  const network6 = `fd00:10:231:${block.toString(16)}::`;
  return {
    link: `slw${block}`,
    ours: `${network}${first + 1}`,
    theirs: `${network}${first + 2}`,
    ours6: `${network6}1`,
    theirs6: `${network6}2`,
  };
}

async function command(file: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(file, args);
}

/** Resolves when the process has printed `word`, on either stream; both are read on. */
async function saying(child: ChildProcess, word: string): Promise<void> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const listen = (chunk: Buffer): void => {
      said += chunk.toString();
      if (said.includes(word)) resolve();
    };
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it said "${word}": ${said}`)));
  });
}
