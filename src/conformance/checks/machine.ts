import type { SshConnection } from '../../activities/ssh-probe.js';
import { isGpu } from '../../domain/gpu.js';
import { type Check, mustAllBe, mustBe, NotApplicable, NotConforming } from '../check.js';
import type { Scene } from '../scene.js';

const LOOK_MS = 60_000;
const UBUNTU = /^PRETTY_NAME="?Ubuntu (?:20\.04|22\.04|24\.04)\b/m;
/** As `uname -m` calls them. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['x86_64', 'amd64'],
  arm64: ['aarch64', 'arm64'],
};

export const MACHINE: readonly Check[] = [
  {
    id: 'run.reached',
    title: 'the machine runs within 20 minutes, with an address, a user and a port',
    run: async (scene) => {
      const { publicAddress, sshUser, sshPort, status } = await scene.running();
      mustAllBe(
        [status === 'running', `its status is ${status}`],
        [Boolean(publicAddress), 'it has no public address'],
        [sshUser !== '', 'it has no SSH user'],
        [sshPort > 0, `its SSH port is ${sshPort}`],
      );
      return `${sshUser}@${publicAddress}:${sshPort}`;
    },
  },
  {
    id: 'ssh.login',
    title: 'SSH lets our key in within 10 minutes, and the boot comes to its end',
    run: async (scene) => {
      const { exitCode, stdout } = await run(await scene.inside(), 'whoami');
      const { sshUser } = await scene.running();
      mustBe(
        exitCode === 0 && stdout.trim() === sshUser,
        `whoami says ${JSON.stringify(stdout.trim())}, not ${sshUser}`,
      );
      return `in as ${sshUser}; host key ${scene.hostKey?.split(' ')[0]}`;
    },
  },
  {
    id: 'ssh.keys',
    title: 'both keys of the create get in: the caller’s and the worker’s',
    run: async (scene) => {
      await scene.inside();
      (await scene.enter(scene.keys.caller)).close();
      return 'both';
    },
  },
  {
    id: 'ssh.user-data',
    title: 'user data runs at the first boot',
    can: 'instance-userdata',
    run: async (scene) => {
      await scene.inside();
      (await scene.enter(scene.keys.script)).close();
      return 'the key that a script let in gets in';
    },
  },
  {
    id: 'ssh.image',
    title: 'the image is Ubuntu 20.04, 22.04 or 24.04 of the type’s architecture, with systemd, a home and sudo',
    run: async (scene) => {
      const connection = await scene.inside();
      const { sshUser } = await scene.running();
      const { architecture } = await scene.offer();
      const [machine, release, home, system, sudo] = [
        await run(connection, 'uname -m'),
        await run(connection, 'cat /etc/os-release'),
        await run(connection, 'pwd'),
        await run(connection, 'systemctl is-system-running'),
        await run(connection, 'sudo -n true'),
      ];
      const known = ARCHITECTURES[architecture] ?? Object.values(ARCHITECTURES).flat();
      const homes = sshUser === 'root' ? ['/root'] : [`/home/${sshUser}`];
      const name = /^PRETTY_NAME=.*$/m.exec(release.stdout)?.[0] ?? 'no PRETTY_NAME';
      mustAllBe(
        [
          known.includes(machine.stdout.trim()),
          `uname -m says ${machine.stdout.trim()}, the type list ${architecture}`,
        ],
        [UBUNTU.test(release.stdout), `/etc/os-release has ${name}`],
        [homes.includes(home.stdout.trim()), `${sshUser} is at home in ${home.stdout.trim()}`],
        [
          ['running', 'degraded'].includes(system.stdout.trim()),
          `systemctl is-system-running says ${system.stdout.trim()}`,
        ],
        [sudo.exitCode === 0, 'sudo asks for a password, or is not there'],
      );
      return `${name.replace(/^PRETTY_NAME=/, '')}, ${machine.stdout.trim()}, ${system.stdout.trim()}`;
    },
  },
  {
    id: 'ssh.gpus',
    title: 'the machine’s driver shows the GPUs that the type list sells, by that name',
    run: async (scene) => {
      const { gpus } = await scene.offer();
      const [gpu] = gpus;
      if (!gpu) throw new NotApplicable('the type has no GPU: choose one with --instance-type');
      const found = await listGpus(scene);
      mustAllBe(
        [found.length === gpu.count, `there are ${found.length}, and ${gpu.count} are sold`],
        [found.every((name) => isGpu(name, gpu.name)), `they are ${found.join(', ')}, and ${gpu.name} is sold`],
      );
      return `${found.length} × ${found[0]}`;
    },
  },
];

export async function run(connection: SshConnection, command: string, timeoutMs = LOOK_MS) {
  return await connection.run(command, { timeoutMs });
}

async function listGpus(scene: Scene): Promise<string[]> {
  const connection = await scene.inside();
  const nvidia = await run(connection, 'nvidia-smi -L');
  if (nvidia.exitCode === 0) return matches(nvidia.stdout, /^GPU \d+: (.*?)(?: \(UUID: .*)?$/gm);
  const amd = await run(connection, 'rocm-smi --showproductname');
  if (amd.exitCode === 0) return matches(amd.stdout, /^GPU\[\d+\]\s*:\s*Card Series:\s*(.*?)\s*$/gim);
  throw new NotConforming(`no driver answers: nvidia-smi exited ${nvidia.exitCode}, rocm-smi ${amd.exitCode}`);
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name);
}
