import type { RemoteProcess, SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import { answeringInside } from './inside.js';

/*
 * A listener of ours on the machine, and how we know from inside that it is alive. It is one process for all ports: sshd may
 * give a connection few sessions (`MaxSessions`, by default ten).
 *
 * Perl is on every Debian and Ubuntu (perl-base is essential), Python on every image with cloud-init, and nc is what is
 * left. The first two say a word of ours to whoever connects, so that an answer can be told from a stranger's. Each takes
 * what ports it can have, and ends when its input does: with our connection, at the latest. Single quotes are the shell's:
 * there are none inside.
 */

const PERL = `$SIG{ALRM}=sub{exit 4};$SIG{PIPE}="IGNORE";alarm 300;($w,@p)=@ARGV;
for $p(@p){my $l;(socket($l,AF_INET6,SOCK_STREAM,6)&&setsockopt($l,41,26,pack("l",0))&&setsockopt($l,SOL_SOCKET,SO_REUSEADDR,pack("l",1))&&bind($l,pack_sockaddr_in6($p,IN6ADDR_ANY)))||(socket($l,AF_INET,SOCK_STREAM,6)&&setsockopt($l,SOL_SOCKET,SO_REUSEADDR,pack("l",1))&&bind($l,sockaddr_in($p,INADDR_ANY)))||next;listen($l,64)&&push(@l,$l)}
@l||exit 3;$i="";vec($i,$_,1)=1 for 0,map{fileno($_)}@l;
while(select($o=$i,undef,undef,undef)>=0){exit 0 if vec($o,0,1)&&!sysread(STDIN,$b,99);for(@l){if(vec($o,fileno($_),1)&&accept(C,$_)){syswrite(C,"$w\\n");close C}}}`;

const PYTHON = `import os,select,signal,socket,sys
signal.alarm(300)
w=(sys.argv[1]+"\\n").encode()
def opened(f,a,p):
    s=socket.socket(f);s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
    if f==socket.AF_INET6: s.setsockopt(41,26,0)
    s.bind((a,p));s.listen(64);return s
l=[]
for p in map(int,sys.argv[2:]):
    try: l.append(opened(socket.AF_INET6,"::",p))
    except OSError:
        try: l.append(opened(socket.AF_INET,"0.0.0.0",p))
        except OSError: pass
if not l: sys.exit(3)
while 1:
    for s in select.select([0]+l,[],[])[0]:
        if s==0:
            if not os.read(0,99): sys.exit(0)
            continue
        c=s.accept()[0]
        try: c.sendall(w)
        except OSError: pass
        c.close()`;

const COMMANDS: ((ports: readonly number[], word: string) => string)[] = [
  (ports, word) => `perl -MSocket -e '${PERL}' ${word} ${ports.join(' ')}`,
  (ports, word) => `python3 -c '${PYTHON}' ${word} ${ports.join(' ')}`,
  // OpenBSD's, nmap's: they stay for more than one caller, and do not mind their input
  (ports) => {
    const each = ports.map((port) => `timeout 300 nc -lk -p ${port} & all="$all $!"; `);
    return `sh -c 'all=; ${each.join('')}cat >/dev/null; kill $all'`;
  },
];

/** How the programs above say that none of the ports is to be had. */
const TAKEN = 3;
/** Gaps between looks at a listener that is starting, in ms; they double. */
const STARTING_MS = { first: 5, most: 3_000 };
/** To listen below takes root. */
const UNPRIVILEGED = 1_024;

export interface Where {
  /** The machine's own address, as SSH is reached there: what is bound to loopback only does not count. */
  address: string;
  /** What the listener says. One word, of letters, digits and `-`. */
  word: string;
  isRoot: boolean;
}

export interface Listener {
  /** Those of the wanted ports on which somebody answers inside: we, or who listened there already. */
  ports: readonly number[];
  /** Those of them that still answer. */
  answering(ports: readonly number[], until: Until): Promise<readonly number[]>;
  end(): void;
}

/** Listens on as many of the ports as can be had, and shows which of them answer inside. @throws {SshError} */
export async function startListener(
  connection: SshConnection,
  ports: readonly number[],
  { address, word, isRoot }: Where,
  until: Until,
): Promise<Listener> {
  const answering = (some: readonly number[], within: Until) => answeringInside(connection, address, some, within);
  const plain = COMMANDS.map((command) => command(ports, word));
  const needsRoot = !isRoot && ports.some((port) => port < UNPRIVILEGED);
  for (const command of ports.length === 0
    ? []
    : [...(needsRoot ? plain.map((one) => `sudo -n ${one}`) : []), ...plain]) {
    const process = await connection.start(command, until(STARTING_MS.most));
    const seen = await awaitAnswers(process, ports, (some) => answering(some, until));
    if (seen.ended === undefined && seen.answering.length > 0) {
      return { ports: seen.answering, answering, end: () => process.end() };
    }
    process.end();
    if (seen.ended === TAKEN) break;
  }
  // Whoever listens there already will do, if he is there for others than the machine itself.
  return { ports: await answering(ports, until), answering, end: () => undefined };
}

/** Ends when all of the ports answer, when the process has ended, or when it has had its time. */
async function awaitAnswers(
  process: RemoteProcess,
  ports: readonly number[],
  ask: (ports: readonly number[]) => Promise<readonly number[]>,
): Promise<{ answering: readonly number[]; ended?: number }> {
  let ended: number | undefined;
  const end = process.ended.then(({ exitCode = -1 }) => {
    ended = exitCode;
  });
  let answering: readonly number[] = [];
  let gap = STARTING_MS.first;
  for (let waited = 0; waited < STARTING_MS.most; waited += gap, gap *= 2) {
    await Promise.race([end, pauseFor(gap)]);
    if (ended !== undefined) return { answering, ended };
    answering = [...answering, ...(await ask(ports.filter((port) => !answering.includes(port))))];
    if (answering.length === ports.length) break;
  }
  return { answering };
}

async function pauseFor(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
