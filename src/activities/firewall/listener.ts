import type { RemoteProcess, SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import { firstWord } from './outside.js';

/*
 * A listener of ours on the machine, and how we know from inside that it is alive.
 *
 * Perl is on every Debian and Ubuntu (perl-base is essential), Python on every image with cloud-init, and nc is what is
 * left. The first two say a word of ours to whoever connects, so that an answer can be told from a stranger's, and end
 * when their input does: with our connection, at the latest. Single quotes are the shell's: there are none inside.
 */

const PERL = `$SIG{ALRM}=sub{exit 4};alarm 300;($p,$w)=@ARGV;
(socket(L,AF_INET6,SOCK_STREAM,6)&&setsockopt(L,41,26,pack("l",0))&&setsockopt(L,SOL_SOCKET,SO_REUSEADDR,pack("l",1))&&bind(L,pack_sockaddr_in6($p,IN6ADDR_ANY)))||(socket(L,AF_INET,SOCK_STREAM,6)&&setsockopt(L,SOL_SOCKET,SO_REUSEADDR,pack("l",1))&&bind(L,sockaddr_in($p,INADDR_ANY)))||exit 3;
listen(L,64)||exit 3;$i="";vec($i,0,1)=1;vec($i,fileno(L),1)=1;
while(select($o=$i,undef,undef,undef)>=0){exit 0 if vec($o,0,1)&&!sysread(STDIN,$b,99);if(vec($o,fileno(L),1)&&accept(C,L)){syswrite(C,"$w\\n");close C}}`;

const PYTHON = `import os,select,signal,socket,sys
signal.alarm(300)
p,w=int(sys.argv[1]),(sys.argv[2]+"\\n").encode()
def opened(f,a):
    s=socket.socket(f);s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
    if f==socket.AF_INET6: s.setsockopt(41,26,0)
    s.bind((a,p));s.listen(64);return s
try:
    try: l=opened(socket.AF_INET6,"::")
    except OSError: l=opened(socket.AF_INET,"0.0.0.0")
except OSError: sys.exit(3)
while 1:
    r=select.select([0,l],[],[])[0]
    if 0 in r and not os.read(0,99): sys.exit(0)
    if l in r:
        c=l.accept()[0]
        try: c.sendall(w)
        except OSError: pass
        c.close()`;

const COMMANDS: ((port: number, word: string) => string)[] = [
  (port, word) => `perl -MSocket -e '${PERL}' ${port} ${word}`,
  (port, word) => `python3 -c '${PYTHON}' ${port} ${word}`,
  // OpenBSD's, nmap's: they stay for more than one caller, and do not mind their input
  (port) => `sh -c 'timeout 300 nc -lk -p ${port} & cat >/dev/null; kill $!'`,
];

/** How the programs above say that the port is not to be had. */
const TAKEN = 3;
/** Gaps between looks at a listener that is starting, in ms; they double. */
const STARTING_MS = { first: 5, most: 3_000 };

export interface Where {
  /** The machine's own address, as SSH is reached there: what is bound to loopback only does not count. */
  address: string;
  /** What the listener says. One word, of letters, digits and `-`. */
  word: string;
  /** For ports below 1024. */
  isRoot: boolean;
}

export interface Listener {
  port: number;
  /** Does somebody answer there, asked from inside? */
  isAlive(until: Until): Promise<boolean>;
  end(): void;
}

/** Starts one, and shows that it answers inside. `undefined`: nothing could be made to listen there. @throws {SshError} */
export async function startListener(
  connection: SshConnection,
  port: number,
  { address, word, isRoot }: Where,
  until: Until,
): Promise<Listener | undefined> {
  const sudo = port < 1_024 && !isRoot ? 'sudo -n ' : '';
  const isAlive = (within: Until) => answersInside(connection, address, port, within);
  for (const command of COMMANDS) {
    const process = await connection.start(sudo + command(port, word), until(STARTING_MS.most));
    const ended = await awaitAnswer(process, () => isAlive(until));
    if (ended === undefined) return { port, isAlive, end: () => process.end() };
    process.end();
    if (ended === TAKEN) break;
  }
  // Whoever listens there already will do, if he is there for others than the machine itself.
  return (await isAlive(until)) ? { port, isAlive, end: () => undefined } : undefined;
}

/** Answers with how the process ended, or with nothing once its port answers. */
async function awaitAnswer(process: RemoteProcess, isAlive: () => Promise<boolean>): Promise<number | undefined> {
  let ended: number | undefined;
  const end = process.ended.then(({ exitCode = -1 }) => {
    ended = exitCode;
  });
  let gap = STARTING_MS.first;
  for (let waited = 0; waited < STARTING_MS.most; waited += gap, gap *= 2) {
    await Promise.race([end, pauseFor(gap)]);
    if (ended !== undefined) return ended;
    if (await isAlive()) return undefined;
  }
  return -1;
}

async function pauseFor(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Through SSH's own forwarding; where the server forwards nothing, by bash on the machine. */
async function answersInside(connection: SshConnection, address: string, port: number, until: Until): Promise<boolean> {
  const reached = await connection.reach(address, port, until(STARTING_MS.most));
  if (reached.outcome === 'answered') {
    const said = await firstWord(reached.channel, until().signal);
    reached.channel.destroy();
    return said !== undefined;
  }
  if (reached.outcome === 'refused') return false;
  const { exitCode } = await connection.run(`bash -c ': </dev/tcp/${address}/${port}'`, until(STARTING_MS.most));
  return exitCode === 0;
}
