/**
 * docker-compose.yml without Docker: every service a process, with the command line, environment, mounts, order of start,
 * health checks and restarts that the file (and, for our own image, the Dockerfile) gives it. What a container has and
 * a process has not is made up for here, and nowhere else:
 *
 *  - an address: each service has a loopback address of its own, hence the same ports (`BIND_IP`, `…_HOST` in the file);
 *  - an image: IMAGES says which program stands for each, and refuses a version that the file does not name;
 *  - a file system: a path inside a container that is mounted, or the image's WORKDIR, is replaced by where it is here.
 *
 * Not run: temporal-ui. It has no part in what is promised here, and nothing depends on it.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type SupervisedChild, startChild } from '../../src/temporal/child-process.js';
import { runCommand } from '../../src/temporal/run-command.js';
import { until } from '../../src/temporal/until.js';
import { Compose, type Service, type Variables } from './compose.js';
import { type OwnImage, readDockerfile } from './dockerfile.js';
import { createPostgres, type PostgresProcess } from './postgres.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const COMPOSE_FILE = join(ROOT, 'docker-compose.yml');
export const NOT_RUN = ['temporal-ui'];

/** What stands for an image: its default command, and when it is healthy if its own check needs what is not here. */
interface Image {
  command?: string[];
  healthy?: (host: string) => Promise<boolean>;
}

/** By repository; ours is the one that the Dockerfile builds. */
const IMAGES: Record<string, Image> = {
  // Ready when it has started: `createPostgres` waits for its word.
  postgres: { healthy: async () => true },
  'temporalio/admin-tools': {},
  // The image's entrypoint looks up its address, which BIND_IP gives here, and ends in this.
  'temporalio/server': { command: ['temporal-server', 'start'], healthy: (host) => accepts(host, 7233) },
  slipway: {},
};

export const STANDS_FOR = Object.keys(IMAGES);

const HEALTHY_WITHIN_MS = 180_000;
/** Docker waits so long before it starts again what has ended, twice as long each time. */
const RESTART_AFTER_MS = 100;
/** What ends so often will not be healthy: its log says why. */
const RESTARTS_ENOUGH = 6;

export interface TopologyOptions {
  /** Holds `temporal-server` and `temporal-sql-tool`. */
  binaries: string;
  /** As in `.env`. The folder is the topology's own, and goes with it. */
  variables: (folder: string) => Variables;
}

export class Topology {
  readonly compose = new Compose(COMPOSE_FILE);
  private readonly own: OwnImage = readDockerfile(join(ROOT, 'Dockerfile'));
  private readonly base = `127.${randomInt(64, 127)}.${randomInt(1, 255)}`;
  private readonly running = new Map<string, SupervisedChild>();
  private readonly started = new Map<string, Promise<void>>();
  private readonly restarts = new Map<string, number>();
  private postgres: PostgresProcess | undefined;
  private isOver = false;

  private constructor(
    readonly folder: string,
    private readonly binaries: string,
    private readonly variables: Variables,
  ) {}

  static async open({ binaries, variables }: TopologyOptions): Promise<Topology> {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-production-'));
    await chmod(folder, 0o711); // PostgreSQL runs as somebody else
    return new Topology(folder, binaries, variables(folder));
  }

  /** The service's own loopback address. */
  host(name: string): string {
    return `${this.base}.${this.compose.names.indexOf(name) + 1}`;
  }

  /** `host:port` of Temporal. */
  get temporalAddress(): string {
    return `${this.host('temporal')}:7233`;
  }

  service(name: string): Service {
    const hosts = { POSTGRES_HOST: this.host('postgres'), TEMPORAL_HOST: this.host('temporal') };
    return this.compose.service(name, { ...this.variables, ...hosts, BIND_IP: this.host(name) });
  }

  /** Starts the services and all that they depend on, as `docker compose up` does. Jobs that ran are not run again. */
  async up(...names: string[]): Promise<void> {
    await Promise.all(names.map((name) => this.start(name)));
  }

  /** Runs a job, as `docker compose run` does. @returns what it printed. @throws unless it ends with 0. */
  async run(name: string, ...command: string[]): Promise<string> {
    const service = this.service(name);
    const child = await this.spawn(command.length > 0 ? { ...service, command } : service);
    const { code, signal } = await child.exited;
    const said = await this.log(name);
    if (code !== 0) throw new Error(`${name} ended with ${signal ?? code}:\n${said.slice(-4000)}`);
    return said;
  }

  pid(name: string): number | undefined {
    return this.running.get(name)?.pid;
  }

  /** SIGKILL, as the kernel sends it when memory is short. What the file says about restarts then happens. */
  kill(name: string): void {
    const child = this.running.get(name);
    if (!child) throw new Error(`${name} does not run`);
    process.kill(child.pid, 'SIGKILL');
  }

  /** `docker compose stop`: SIGTERM, and SIGKILL after the grace. @returns how it ended. */
  async stop(name: string) {
    const child = this.running.get(name);
    if (!child) throw new Error(`${name} does not run`);
    this.running.delete(name);
    await child.stop(this.service(name).stopGraceMs);
    return await child.exited;
  }

  async stopPostgres(): Promise<void> {
    await this.postgres?.stop();
  }

  async startPostgres(): Promise<void> {
    await this.postgres?.start();
  }

  async isHealthy(name: string): Promise<boolean> {
    const service = this.service(name);
    const { healthy } = this.image(service);
    if (healthy) return await healthy(this.host(name));
    const test = service.healthcheck === 'off' ? [] : (service.healthcheck?.test.slice(1) ?? this.own.healthcheck);
    const [program = '', ...args] = this.argv(service, test);
    const asked = await runCommand(program, args, { env: this.environment(service), cwd: ROOT, timeoutMs: 30_000 });
    return asked.code === 0;
  }

  async whenHealthy(name: string): Promise<void> {
    const isHealthy = async () => {
      if ((this.restarts.get(name) ?? 0) >= RESTARTS_ENOUGH) throw new Error(`${name} ends again and again`);
      return await this.isHealthy(name);
    };
    await until(isHealthy, { what: name, withinMs: HEALTHY_WITHIN_MS, everyMs: 250 }).catch(async (error) => {
      throw new Error(`${error.message}; its log:\n${(await this.log(name)).slice(-4000)}`);
    });
  }

  async log(name: string): Promise<string> {
    return await readFile(join(this.folder, `${name}.log`), 'utf8').catch(() => '');
  }

  async close(): Promise<void> {
    this.isOver = true;
    // Workers first: they have something to say to Temporal; databases last.
    for (const [, child] of [...this.running].reverse()) await child.stop(5_000);
    await this.postgres?.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private start(name: string): Promise<void> {
    const earlier = this.started.get(name);
    if (earlier) return earlier;
    const starting = this.startOnce(name);
    this.started.set(name, starting);
    return starting;
  }

  /** Resolves when it runs; a service on whose end or health others wait, when that is so. */
  private async startOnce(name: string): Promise<void> {
    const service = this.service(name);
    await Promise.all(
      Object.entries(service.dependsOn).map(async ([other, condition]) => {
        await this.start(other);
        if (condition === 'service_healthy') await this.whenHealthy(other);
      }),
    );
    if (service.image.startsWith('postgres:')) {
      this.postgres = await createPostgres(service, this.host(name), this.folder);
    } else if (this.isJob(name)) {
      await this.run(name);
    } else {
      await this.keep(service);
    }
  }

  /** Somebody waits for its end; or nobody starts it again, and it has no health. */
  private isJob(name: string): boolean {
    const { healthcheck, restart } = this.service(name);
    return this.waitedFor.has(name) || (healthcheck === 'off' && restart === 'no');
  }

  private get waitedFor(): Set<string> {
    const waits = this.compose.names.flatMap((name) => Object.entries(this.service(name).dependsOn));
    return new Set(waits.filter(([, condition]) => condition === 'service_completed_successfully').map(([one]) => one));
  }

  /** Starts it, and again whenever it ends unasked, as `restart` says. */
  private async keep(service: Service): Promise<void> {
    const child = await this.spawn(service);
    this.running.set(service.name, child);
    void child.exited.then(async () => {
      if (this.isOver || this.running.get(service.name) !== child) return;
      this.running.delete(service.name);
      if (service.restart !== 'unless-stopped') return;
      const restarts = this.restarts.get(service.name) ?? 0;
      this.restarts.set(service.name, restarts + 1);
      await delay(RESTART_AFTER_MS * 2 ** restarts);
      if (!this.isOver) await this.keep(service);
    });
  }

  private async spawn(service: Service): Promise<SupervisedChild> {
    const { command } = this.image(service);
    const isOwn = repository(service.image) === 'slipway';
    const given = service.command.length > 0 ? service.command : isOwn ? this.own.command : (command ?? []);
    const [program = '', ...args] = this.argv(service, isOwn ? [...this.own.entrypoint, ...given] : given);
    await this.makeVolumes(service);
    const log = await open(join(this.folder, `${service.name}.log`), 'a');
    const child = await startChild(program, args, { env: this.environment(service), logFd: log.fd, cwd: ROOT });
    await log.close();
    return child;
  }

  private image(service: Service): Image {
    const image = IMAGES[repository(service.image)];
    if (!image) throw new Error(`Nothing here stands for the image ${service.image} of ${service.name}`);
    return image;
  }

  private argv(service: Service, command: readonly string[]): string[] {
    const [program = '', ...args] = command.map((word) => this.here(service, word));
    return [program === 'node' ? process.execPath : program, ...args];
  }

  private environment(service: Service): NodeJS.ProcessEnv {
    const isOwn = repository(service.image) === 'slipway';
    const given = { ...(isOwn && this.own.environment), ...service.environment };
    const here = Object.entries(given).map(([name, value]) => [name, this.here(service, value)]);
    const { PATH, HOME, TMPDIR } = process.env;
    return { PATH: `${this.binaries}:${PATH}`, HOME, TMPDIR, ...Object.fromEntries(here) };
  }

  /** A path inside the container, as the path here that it stands for. All other text is left alone. */
  private here(service: Service, text: string): string {
    for (const { source, target } of service.mounts) {
      if (text !== target && !text.startsWith(`${target}/`)) continue;
      return `${this.volume(source)}${text.slice(target.length)}`;
    }
    return text;
  }

  private volume(source: string): string {
    return source.startsWith('/') ? source : join(this.folder, 'volumes', source);
  }

  private async makeVolumes(service: Service): Promise<void> {
    for (const { source } of service.mounts) {
      if (!source.startsWith('/')) await mkdir(this.volume(source), { recursive: true });
    }
  }
}

export function repository(image: string): string {
  return image.split(':')[0] ?? image;
}

async function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return connected;
}
