import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const TOOLS = ['ip', 'iptables', 'ip6tables', 'nsenter', 'ssh-keygen', 'sshd', 'ufw', 'unshare'];
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** What the kernel must allow, tried in namespaces that are gone when it ends. */
const TRIAL = `set -e
mount -t tmpfs tmpfs /run && mkdir /run/up /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/up,workdir=/run/work /etc
ip link add trial0 type veth peer name trial1
ip link add trial2 type bridge
for tables in iptables ip6tables; do
  $tables -A INPUT -p tcp -m conntrack --ctorigdstport 80 --ctdir ORIGINAL -j ACCEPT
  $tables -t nat -A PREROUTING -j RETURN
done`;

/** Why no host can be made here, for the title of a skipped test; nothing where it can. */
export const netnsMissing: string | undefined = findReason();

function findReason(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = TOOLS.filter((tool) => !FOLDERS.some((folder) => existsSync(`${folder}/${tool}`)));
  if (missing.length > 0) return `needs ${missing.join(', ')}: tools/ci/install-packages.sh`;
  try {
    const options = ['-m', '-n', '-p', '-f', '--mount-proc', '--propagation', 'private', 'sh', '-c', TRIAL];
    execFileSync('unshare', options, { stdio: ['ignore', 'ignore', 'pipe'] });
    return undefined;
  } catch (error) {
    const stderr = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n')[0];
    return `the kernel forbids it: ${stderr || String(error)}`;
  }
}
