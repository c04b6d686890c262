import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { lookFromOutside } from '../../activities/firewall/outside.js';
import type { SshConnection } from '../../activities/ssh-probe.js';
import { type Check, mustBe, NotConforming } from '../check.js';
import type { Scene } from '../scene.js';
import { run } from './machine.js';

/*
 * Containers and the firewall: Docker's own rules and those of Kubernetes pass UFW by, so that a machine that is shut may
 * publish what runs in a container, or cut containers off from the world and from each other.
 */

const PUBLISHED_PORT = 9_998;
const LOOKS = 3;
const WEB = 'nginx:alpine';
const SMALL = 'alpine';
const OUTSIDE = '8.8.8.8';
const WELCOME = 'Welcome to nginx';

export const CONTAINERS: readonly Check[] = [
  {
    id: 'docker.shut',
    title: 'a port that a container publishes does not answer from outside without a rule, and answers inside',
    run: async (scene) => {
      const docker = await openDocker(scene);
      const name = nameOf('shut');
      await docker(`run -d --rm --name ${name} -p ${PUBLISHED_PORT}:80 ${WEB}`);
      try {
        const connection = await scene.inside();
        await answersInside(connection);
        for (let turn = 0; turn < LOOKS; turn += 1) {
          const met = await lookFromOutside(connection, PUBLISHED_PORT, scene.signal);
          mustBe(met.met === 'nothing', `port ${PUBLISHED_PORT}, published by a container, answers from outside`);
        }
        await answersInside(connection);
        return `${LOOKS} looks at port ${PUBLISHED_PORT} from outside met nothing; inside it answers`;
      } finally {
        await docker(`rm -f ${name}`).catch(() => undefined);
      }
    },
  },
  {
    id: 'docker.egress',
    title: 'a container reaches the outside',
    run: async (scene) => {
      const docker = await openDocker(scene);
      const { received, sent } = repliesIn(await docker(`run --rm ${SMALL} ping -c3 ${OUTSIDE}`, true));
      mustBe(received > 0, `of ${sent} pings to ${OUTSIDE} none was answered`);
      return `${received} of ${sent} pings to ${OUTSIDE} were answered`;
    },
  },
  {
    id: 'docker.network',
    title: 'containers of one network reach each other by name',
    run: async (scene) => {
      const docker = await openDocker(scene);
      const [network, web] = [nameOf('net'), nameOf('web')];
      await docker(`network create ${network}`);
      try {
        await docker(`run -d --rm --name ${web} --network ${network} ${WEB}`);
        const page = await docker(`run --rm --network ${network} ${SMALL} wget -q -T 5 -O - http://${web}`, true);
        mustBe(page.includes(WELCOME), `${web} did not answer a container beside it`);
        return 'by name, over a network of their own';
      } finally {
        await docker(`rm -f ${web}`).catch(() => undefined);
        await docker(`network rm ${network}`).catch(() => undefined);
      }
    },
  },
  {
    id: 'k8s.egress',
    title: 'a pod reaches the outside',
    run: async (scene) => {
      const kubectl = await openKubernetes(scene);
      const pod = nameOf('egress');
      const said = await kubectl(
        `run ${pod} --image=${SMALL} --restart=Never --rm -i --quiet --command -- ping -c3 ${OUTSIDE}`,
        true,
      );
      const { received } = repliesIn(said);
      mustBe(received === 3, `of 3 pings to ${OUTSIDE} ${received} were answered`);
      return `3 of 3 pings to ${OUTSIDE} were answered`;
    },
  },
  {
    id: 'k8s.network',
    title: 'a pod reaches a service of another by name',
    run: async (scene) => {
      const kubectl = await openKubernetes(scene);
      const [web, caller] = [nameOf('web'), nameOf('caller')];
      const tries = `for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -T 3 -O - http://${web} && exit 0; sleep 3; done; exit 1`;
      try {
        await kubectl(`run ${web} --image=${WEB} --port=80`);
        await kubectl(`expose pod ${web} --port=80`);
        await kubectl(`run ${caller} --image=${SMALL} --restart=Never --command -- sh -c "${tries}"`);
        const phase = `wait --for=jsonpath={.status.phase}=Succeeded pod/${caller} --timeout=180s`;
        await kubectl(phase).catch(() => {
          throw new NotConforming(`the service ${web} did not answer a pod within 180 s`);
        });
        const page = await kubectl(`logs ${caller}`);
        mustBe(page.includes(WELCOME), 'something else than nginx answered');
        return 'by the service’s name';
      } finally {
        await kubectl(`delete pod ${web} ${caller} --ignore-not-found --wait=false`).catch(() => undefined);
        await kubectl(`delete service ${web} --ignore-not-found`).catch(() => undefined);
      }
    },
  },
];

/** One command; @throws {NotConforming} unless it ends well, or may end badly. @returns what it printed. */
type Tool = (args: string, mayFail?: boolean) => Promise<string>;

async function openDocker(scene: Scene): Promise<Tool> {
  const connection = await scene.inside();
  const { installMs } = scene.timing;
  if ((await run(connection, 'sudo -n docker version')).exitCode !== 0) {
    const script = 'curl -fsSL https://get.docker.com -o /tmp/get-docker.sh && sudo -n sh /tmp/get-docker.sh';
    const { exitCode } = await run(connection, script, installMs);
    mustBe(exitCode === 0, `there is no docker, and get.docker.com’s script exited ${exitCode}`);
  }
  return toolOf(connection, 'sudo -n docker', installMs);
}

async function openKubernetes(scene: Scene): Promise<Tool> {
  const connection = await scene.inside();
  const { installMs } = scene.timing;
  const isReady = async () =>
    (await run(connection, 'sudo -n microk8s status --wait-ready --timeout 120', installMs)).exitCode === 0;
  if (!(await isReady())) {
    const snap =
      'sudo -n snap version || { sudo -n apt-get -o DPkg::Lock::Timeout=600 update && sudo -n apt-get -o DPkg::Lock::Timeout=600 install -y snapd; }';
    await run(connection, snap, installMs);
    const { exitCode } = await run(connection, 'sudo -n snap install microk8s --classic', installMs);
    mustBe(exitCode === 0 && (await isReady()), `there is no microk8s, and snap install exited ${exitCode}`);
  }
  const microk8s = toolOf(connection, 'sudo -n microk8s', installMs);
  await microk8s('enable dns');
  await microk8s('kubectl -n kube-system rollout status deployment/coredns --timeout=120s');
  return (args, mayFail) => microk8s(`kubectl ${args}`, mayFail);
}

function toolOf(connection: SshConnection, tool: string, timeoutMs: number): Tool {
  return async (args, mayFail = false) => {
    const { exitCode, stdout, stderr } = await run(connection, `${tool} ${args}`, timeoutMs);
    if (exitCode !== 0 && !mayFail) {
      throw new NotConforming(
        `${tool} ${args.split(' ').slice(0, 2).join(' ')} exited ${exitCode}: ${stderr.trim().slice(0, 200)}`,
      );
    }
    return stdout;
  };
}

/** The witness: without it a port that does not answer proves nothing. */
async function answersInside(connection: SshConnection): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) {
    const { exitCode } = await run(connection, `curl -fsS -m 5 -o /dev/null http://127.0.0.1:${PUBLISHED_PORT}`);
    if (exitCode === 0) return;
    await sleep(1_000);
  }
  throw new NotConforming(`the container does not answer inside, on port ${PUBLISHED_PORT}: nothing is proved`);
}

function repliesIn(said: string): { sent: number; received: number } {
  const [, sent = 0, received = 0] = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(said) ?? [];
  return { sent: Number(sent), received: Number(received) };
}

function nameOf(what: string): string {
  return `slipway-conf-${what}-${randomBytes(2).toString('hex')}`;
}
