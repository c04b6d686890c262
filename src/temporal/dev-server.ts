import { type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Connection } from '@temporalio/client';
import getPort from 'get-port';
import { SEARCH_ATTRIBUTES } from '../domain/search-attributes.js';
import { type ChildExit, type SupervisedChild, startChild } from './child-process.js';
import { findTemporalCli } from './cli-binary.js';
import type { Report } from './progress.js';
import { ensureSearchAttributes } from './search-attributes.js';
import { DEV_SERVER_DYNAMIC_CONFIG, SQLITE_PRAGMAS } from './server-settings.js';
import { until } from './until.js';

/** Loopback only: a dev server asks nobody who they are. */
const HOST = '127.0.0.1';
/** Usually about a second. */
const READY_WITHIN_MS = 30_000;
/** An orderly stop takes about a second; a server on a file loses nothing by being killed (see SQLITE_PRAGMAS). */
const STOP_GRACE_MS = 5_000;
/** Between our choice of a free port and the server's use of it another program may take it. */
const ATTEMPTS = 3;
const TAIL_BYTES = 4096;

export interface StartDevServerOptions {
  /** A working Temporal CLI; found by `findTemporalCli` when absent. */
  cliPath?: string;
  /** SQLite file, made when absent (its folder too). Without it everything is in memory and gone at the end. */
  dbFile?: string;
  /** gRPC port; a free one when absent. */
  port?: number;
  /** Web UI as well? Not by default. */
  ui?: boolean;
  /** Web UI port; a free one when absent. */
  uiPort?: number;
  /** Made when absent. `default` always exists too. */
  namespace?: string;
  /** The server's output is appended here (its folder is made); otherwise it is kept only for error messages. */
  logFile?: string;
  report?: Report;
}

/** A Temporal dev server of ours. It ends with our process at the latest, and does not keep it from ending. */
export interface DevServer {
  /** `127.0.0.1:port`, gRPC. */
  address: string;
  /** `http://127.0.0.1:port`, when a UI was asked for. */
  uiAddress?: string;
  namespace: string;
  pid: number;
  /** Resolves once the process is gone: by `stop`, by `kill`, or by itself. */
  exited: Promise<ChildExit>;
  /** Stops it in order, or by force after a few seconds. Safe to repeat. */
  stop(): Promise<void>;
  /** Kills it at once, as a crash would. */
  kill(): Promise<void>;
}

/** The server ended early, or did not become ready. The message carries the end of its log. */
export class DevServerFailed extends Error {
  override readonly name = 'DevServerFailed';
  constructor(
    problem: string,
    readonly logTail: string,
    cause?: unknown,
  ) {
    super(`${problem}. Its last output:\n${logTail || '(nothing)'}`, { cause });
  }
}

/**
 * Starts a Temporal dev server with Slipway's settings; the only place that does.
 * Resolves once it answers, its namespace is there and Slipway's search attributes can be used.
 * @throws {DevServerFailed | TemporalCliNotFound | TemporalCliPathUnusable}
 */
export async function startDevServer(options: StartDevServerOptions = {}): Promise<DevServer> {
  const cliPath = options.cliPath ?? (await findTemporalCli({ report: options.report }));
  if (options.dbFile && /[?%#]/.test(options.dbFile)) {
    throw new TypeError(
      `dbFile must not contain ?, % or #, which mean something in SQLite's file names: ${options.dbFile}`,
    );
  }
  for (const file of [options.dbFile, options.logFile])
    if (file) await mkdir(dirname(resolve(file)), { recursive: true });

  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(cliPath, options);
    } catch (error) {
      const portWasTaken = error instanceof DevServerFailed && /address already in use/.test(error.logTail);
      if (!portWasTaken || options.port !== undefined || attempt === ATTEMPTS) throw error;
    }
  }
}

async function startOnce(cliPath: string, options: StartDevServerOptions): Promise<DevServer> {
  const { namespace = 'default', report } = options;
  const port = options.port ?? (await getPort({ host: HOST }));
  const uiPort = options.ui ? (options.uiPort ?? (await getPort({ host: HOST }))) : undefined;
  const address = `${HOST}:${port}`;

  const log = options.logFile ? await open(options.logFile, 'a+') : await openNameless();
  const child = await startChild(cliPath, toArguments({ ...options, namespace, port, uiPort }), {
    env: withoutTemporalVariables(process.env),
    logFd: log.fd,
  });
  try {
    await ready(child, port, namespace);
  } catch (error) {
    await child.kill();
    const tail = await readTail(log);
    await log.close();
    if (error instanceof EndedEarly) throw new DevServerFailed(`The Temporal dev server ${error.message}`, tail);
    const reason = error instanceof Error ? error.message : String(error);
    throw new DevServerFailed(`The Temporal dev server did not become ready: ${reason}`, tail, error);
  }
  void child.exited.then(() => log.close());

  const uiAddress = uiPort === undefined ? undefined : `http://${HOST}:${uiPort}`;
  report?.(`A Temporal dev server is ready at ${address}${uiAddress ? `, its web UI at ${uiAddress}` : ''}.`);
  return {
    address,
    uiAddress,
    namespace,
    pid: child.pid,
    exited: child.exited,
    stop: () => child.stop(STOP_GRACE_MS),
    kill: () => child.kill(),
  };
}

/** The server picks its HTTP and metrics ports itself, free ones: we use neither. */
function toArguments(server: StartDevServerOptions & { namespace: string; port: number; uiPort?: number }): string[] {
  const { port, uiPort, namespace, dbFile } = server;
  const pragmas = dbFile ? Object.entries(SQLITE_PRAGMAS) : [];
  return [
    ...['server', 'start-dev', '--ip', HOST, '--port', String(port), '--namespace', namespace],
    ...(uiPort === undefined ? ['--headless'] : ['--ui-ip', HOST, '--ui-port', String(uiPort)]),
    ...(dbFile ? ['--db-filename', resolve(dbFile)] : []),
    ...pragmas.flatMap(([key, value]) => ['--sqlite-pragma', `${key}=${value}`]),
    ...Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ...Object.entries(DEV_SERVER_DYNAMIC_CONFIG).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${value}`,
    ]),
  ];
}

/** They say which server to talk to; the CLI that is the server has no use for them (nor for the API key among them). */
function withoutTemporalVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

class EndedEarly extends Error {}

async function ready(child: SupervisedChild, port: number, namespace: string): Promise<void> {
  const ended = new AbortController();
  const endedEarly = child.exited.then(({ code, signal }) => {
    const error = new EndedEarly(`ended while starting (${signal ?? `exit code ${code}`})`);
    ended.abort(error);
    throw error;
  });
  const becomesReady = async () => {
    // The bare port first: gRPC would wait a second after a refused connection before it tries again.
    const limits = { withinMs: READY_WITHIN_MS, signal: ended.signal };
    await until(() => accepts(port), { ...limits, what: `port ${port}`, everyMs: 25 });
    const connection = await Connection.connect({ address: `${HOST}:${port}`, connectTimeout: READY_WITHIN_MS });
    try {
      const described = () =>
        connection.workflowService.describeNamespace({ namespace }).then(
          () => true,
          () => false,
        );
      await until(described, { ...limits, what: `namespace ${namespace}`, everyMs: 50 });
      // On a file from before an attribute was added, the flags register nothing: they are for new namespaces.
      await ensureSearchAttributes(connection, namespace);
    } finally {
      await connection.close();
    }
  };
  await Promise.race([becomesReady(), endedEarly]);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    const answer = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}

/** A file without a name: it is gone when the last of us closes it, however we end. */
async function openNameless(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-temporal-'));
  const handle = await open(join(folder, 'server.log'), 'a+');
  await rm(folder, { recursive: true, force: true });
  return handle;
}

async function readTail(log: FileHandle): Promise<string> {
  const { size } = await log.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await log.read(Buffer.alloc(size - start), 0, size - start, start);
  return buffer.toString('utf8', 0, bytesRead).trim();
}
