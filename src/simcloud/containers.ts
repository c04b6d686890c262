import { fail, type Inside, type Io, print } from './shell.js';

/*
 * Docker and Kubernetes as a caller over SSH sees them: containers that publish a port, that ping the outside, that ask
 * each other. What is published passes the machine's firewall, as it should; nothing really runs.
 */

const PINGED = '3 packets transmitted, 3 packets received, 0% packet loss';
const WELCOME = '<h1>Welcome to nginx!</h1>';

export async function docker(args: readonly string[], inside: Inside, io: Io): Promise<number> {
  const [verb, ...rest] = args;
  switch (verb) {
    case 'version':
    case 'network':
      return 0;
    case 'rm': {
      const name = rest.at(-1) ?? '';
      inside.containers.get(name)?.();
      return inside.containers.delete(name) ? 0 : fail(io, `Error: No such container: ${name}`);
    }
    case 'run':
      return rest.includes('-d') ? await start(rest, inside, io) : answer(rest, io);
    default:
      return fail(io, `docker: '${verb}' is not simulated`);
  }
}

async function start(args: readonly string[], inside: Inside, io: Io): Promise<number> {
  const name = args[args.indexOf('--name') + 1] ?? '';
  const published = args.includes('-p') ? Number(args[args.indexOf('-p') + 1]?.split(':')[0]) : undefined;
  const release = published === undefined ? () => undefined : await inside.listen(published);
  if (!release) return fail(io, 'docker: Error response from daemon: port is already allocated', 125);
  inside.containers.set(name, release);
  return print(io, `${name}-id`);
}

/** `ping` and `wget` are all that anybody runs in one. */
function answer(args: readonly string[], io: Io): number {
  return print(io, args.includes('ping') ? PINGED : WELCOME);
}

export function microk8s(args: readonly string[], _inside: Inside, io: Io): number {
  const [verb, ...rest] = args;
  if (verb === 'status') return print(io, 'microk8s is running');
  if (verb !== 'kubectl') return 0;
  if (rest[0] === 'logs') return print(io, WELCOME);
  return rest.includes('ping') ? print(io, PINGED) : 0;
}
