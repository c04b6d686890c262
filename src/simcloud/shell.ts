import type { Duplex } from 'node:stream';
import { docker, microk8s } from './containers.js';

/**
 * What a simulated machine's shell can do: some commands that our checks, and a curious person, would try. There is
 * `;`, `&&`, `||`, `&` with a `kill` for all of them, quoting, `sh -c`, and redirections are read and ignored; no pipes,
 * variables or files.
 */

/** What the commands can see of their machine. */
export interface Inside {
  hostname: string;
  user: string;
  architecture: string;
  gpu?: { name: string; count: number };
  /** Of its one disk, in bytes. */
  diskBytes(): number;
  /** PRETTY_NAME of /etc/os-release. */
  osName: string;
  /** Another at every boot. */
  bootId: string;
  /** Docker's, by name; what each one publishes ends with it. */
  containers: Map<string, () => void>;
  isCloudInitDone(): boolean;
  /** Resolves when cloud-init is done; may be never. */
  cloudInit(): Promise<void>;
  /** Ports on which something listens, whatever the firewall says. */
  ports(): number[];
  /** Listens until released; `undefined` when the port is taken. */
  listen(port: number): Promise<(() => void) | undefined>;
  /** Connects to a port of the machine itself: no firewall is between. Answers whether somebody listens there. */
  enter(port: number, caller: Duplex): boolean;
}

export interface Io {
  env: Readonly<Record<string, string>>;
  out(text: string): void;
  err(text: string): void;
  /** Aborted when the caller hangs up, or a job is killed. */
  signal: AbortSignal;
  /** Resolves when there is no more input. */
  inputEnd: Promise<void>;
  /** What runs in the background. */
  jobs: Set<AbortController>;
}

const NOT_FOUND = 127;
const SYNTAX = 2;

type Command = (args: string[], inside: Inside, io: Io) => number | Promise<number>;

const COMMANDS: Record<string, Command> = {
  true: () => 0,
  ':': () => 0,
  false: () => 1,
  exit: ([code = '0']) => Number(code) & 255,
  whoami: (_args, inside, io) => print(io, inside.user),
  hostname: (_args, inside, io) => print(io, inside.hostname),
  pwd: (_args, inside, io) => print(io, inside.user === 'root' ? '/root' : `/home/${inside.user}`),
  echo: (args, _inside, io) => (args[0] === '-n' ? print(io, args.slice(1).join(' '), '') : print(io, args.join(' '))),
  uname: ([option = '-s'], inside, io) =>
    print(io, option === '-m' ? inside.architecture : option === '-n' ? inside.hostname : 'Linux'),
  id: ([option = ''], inside, io) =>
    print(io, option === '-un' ? inside.user : option === '-u' ? (inside.user === 'root' ? '0' : '1000') : inside.user),
  lsblk: (_args, inside, io) => print(io, `${inside.diskBytes()} disk`), // as with -bdno SIZE,TYPE
  uptime: (_args, _inside, io) => print(io, ' up 1 min,  1 user,  load average: 0.00, 0.00, 0.00'),
  printenv: ([name = ''], _inside, io) => {
    const value = Object.hasOwn(io.env, name) ? io.env[name] : undefined;
    return value === undefined ? 1 : print(io, value);
  },
  cat: async ([path], inside, io) => {
    if (path === '/etc/os-release') return print(io, osRelease(inside.osName));
    if (path === '/proc/sys/kernel/random/boot_id') return print(io, inside.bootId);
    if (path !== undefined) return fail(io, `cat: ${path}: No such file or directory`);
    await io.inputEnd;
    return 0;
  },
  kill: (_args, _inside, io) => {
    for (const job of io.jobs) job.abort();
    return 0;
  },
  'nvidia-smi': (args, inside, io) => nvidiaSmi(args, inside, io),
  'cloud-init': async (args, inside, io) => {
    if (args[0] !== 'status') return fail(io, 'cloud-init: only status is simulated', SYNTAX);
    if (args.includes('--wait')) await inside.cloudInit();
    return print(io, `status: ${inside.isCloudInitDone() ? 'done' : 'running'}`);
  },
  systemctl: (args, _inside, io) => (args[0] === 'is-system-running' ? print(io, 'running') : 0),
  ss: (_args, inside, io) =>
    print(io, ['State  Local Address:Port', ...inside.ports().map((port) => `LISTEN 0.0.0.0:${port}`)].join('\n')),
  nc: (args, inside, io) => netcat(args, inside, io),
  curl: (args, inside, io) => {
    const port = Number(/^http:\/\/127\.0\.0\.1:(\d+)/.exec(args.at(-1) ?? '')?.[1]);
    return inside.ports().includes(port) ? 0 : fail(io, 'curl: (7) Failed to connect', 7);
  },
  docker: (args, inside, io) => docker(args, inside, io),
  microk8s: (args, inside, io) => microk8s(args, inside, io),
  timeout: ([_seconds, ...args], inside, io) => run(args, inside, io), // nobody waits that long here
  sudo: (args, inside, io) => run(args.slice(args.findIndex((arg) => !arg.startsWith('-'))), inside, io),
  sh: (args, inside, io) => nested(args, inside, io),
  bash: (args, inside, io) => nested(args, inside, io),
};

/** Runs one command line. @returns its exit code: 127 for what this machine does not have, 2 for what it cannot parse. */
export async function runCommandLine(line: string, inside: Inside, io: Io): Promise<number> {
  const words = toWords(line);
  if (words.includes('|')) return fail(io, 'sh: pipes are not simulated', SYNTAX);
  let code = 0;
  let skip = false;
  let command: string[] = [];
  for (const word of [...words, ';']) {
    if (word !== ';' && word !== '&&' && word !== '||' && word !== '&') {
      command.push(word);
      continue;
    }
    if (command.length > 0 && !skip)
      code = word === '&' ? inBackground(command, inside, io) : await run(command, inside, io);
    skip = (word === '&&' && code !== 0) || (word === '||' && code === 0);
    command = [];
  }
  return code;
}

/** Killed with the rest of them, or when the caller hangs up. */
function inBackground(words: string[], inside: Inside, io: Io): number {
  const job = new AbortController();
  io.jobs.add(job);
  void Promise.resolve(run(words, inside, { ...io, signal: AbortSignal.any([io.signal, job.signal]) })).finally(() =>
    io.jobs.delete(job),
  );
  return 0;
}

function run(words: string[], inside: Inside, io: Io): number | Promise<number> {
  const [name = 'true', ...args] = words.filter((word) => !/^\d?>/.test(word));
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return command ? command(args, inside, io) : fail(io, `sh: 1: ${name}: not found`, NOT_FOUND);
}

function nested(args: string[], inside: Inside, io: Io): number | Promise<number> {
  const at = args.findIndex((arg) => /^-[a-z]*c$/.test(arg));
  return at < 0 ? 0 : runCommandLine(args[at + 1] ?? '', inside, io);
}

/** Words and operators; what stood in quotes is never an operator, and may be empty. */
function toWords(line: string): string[] {
  const words: string[] = [];
  for (const [token] of line.matchAll(
    /\d?>>?&?\s*[^\s;&|]+|(?:'[^']*'|"(?:\\.|[^"])*"|\\.|[^\s;&|'"\\])+|&&|\|\||[;&|\n]/g,
  )) {
    if (token === '\n') words.push(';');
    else if (/^\d?>/.test(token)) words.push(token.replace(/\s/g, ''));
    else
      words.push(
        token.replace(/'([^']*)'|"((?:\\.|[^"])*)"|\\(.)/g, (_all, a, b, c) => a ?? b?.replace(/\\(.)/g, '$1') ?? c),
      );
  }
  return words;
}

function nvidiaSmi(args: string[], { gpu }: Inside, io: Io): number {
  if (!gpu) return fail(io, 'sh: 1: nvidia-smi: not found', NOT_FOUND);
  const each = Array.from({ length: gpu.count }, (_none, index) => index);
  if (args.includes('-L')) {
    return print(
      io,
      each
        .map((i) => `GPU ${i}: NVIDIA ${gpu.name} (UUID: GPU-00000000-0000-0000-0000-${String(i).padStart(12, '0')})`)
        .join('\n'),
    );
  }
  return print(io, each.map((i) => `| ${i}  NVIDIA ${gpu.name} |`).join('\n'));
}

/** `nc -z HOST PORT` looks, `nc -l [-p] PORT` listens until the caller hangs up. */
async function netcat(args: string[], inside: Inside, io: Io): Promise<number> {
  const port = Number(args.findLast((arg) => /^\d+$/.test(arg)));
  if (!args.some((arg) => /^-[a-z]*l/.test(arg))) return inside.ports().includes(port) ? 0 : 1;
  const release = await inside.listen(port);
  if (!release) return fail(io, 'nc: Address already in use');
  if (!io.signal.aborted) await new Promise((resolve) => io.signal.addEventListener('abort', resolve, { once: true }));
  release();
  return 0;
}

function osRelease(osName: string): string {
  const version = /\d+\.\d+/.exec(osName)?.[0] ?? '22.04';
  return [`PRETTY_NAME="${osName}"`, 'NAME="Ubuntu"', `VERSION_ID="${version}"`, 'ID=ubuntu', 'ID_LIKE=debian'].join(
    '\n',
  );
}

export function print(io: Io, text: string, end = '\n'): number {
  io.out(text + end);
  return 0;
}

export function fail(io: Io, text: string, code = 1): number {
  io.err(`${text}\n`);
  return code;
}
