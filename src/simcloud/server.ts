import { randomBytes } from 'node:crypto';
import Fastify, { type FastifyInstance } from 'fastify';
import { Addresses, type SshBind } from './addresses.js';
import type { Catalog } from './catalog.js';
import { SimClock } from './clock.js';
import { Cloud, type CloudSnapshot } from './cloud.js';
import { type Control, createControl } from './control.js';
import { registerControl } from './control-routes.js';
import { DEFAULT_CATALOG } from './default-catalog.js';
import { awsDialect } from './dialects/aws.js';
import type { Dialect } from './dialects/dialect.js';
import { lambdaLabsDialect } from './dialects/lambda-labs.js';
import { nebiusDialect } from './dialects/nebius.js';
import { shadeformDialect } from './dialects/shadeform.js';
import { simDialect } from './dialects/sim.js';
import { CloudError, invalid, REFUSALS } from './errors.js';
import { Faults, type FaultsSnapshot } from './faults.js';
import { GrpcDoor, type GrpcMethods } from './grpc.js';
import { Ledger, type LedgerSnapshot } from './ledger.js';
import { DataFile } from './persistence.js';
import { RateLimit, type RateLimitOptions } from './rate-limit.js';
import { Quota, Stock } from './stock.js';
import { type Account, DEFAULT_TIMING, type HostKeyType, type Timing } from './types.js';

export interface SimcloudOptions {
  /** Default: any free one. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Ids follow from it. Default: another for every cloud. The fault schedule has a seed of its own. */
  seed?: string | number;
  /**
   * Machines, host keys, ledger, stock, quota, faults and the clock survive in this file. What else the options say
   * (timing, accounts, catalog) holds as given at each start.
   */
  dataFile?: string;
  timing?: Partial<Timing>;
  /** Of every list in the sim dialect. Default 100. */
  pageSize?: number;
  rateLimit?: RateLimitOptions;
  /** In place of it, for the dialects named: `{ 'lambda-labs': LAMBDA_RATE_LIMIT }`. */
  rateLimits?: Record<string, RateLimitOptions>;
  /** Default: one, `default`, with the key `sim-key`. */
  accounts?: Account[];
  catalog?: Catalog;
  ssh?: {
    /** `auto` (default): port 22 of the machine's address if the OS lets us, else 2222. */
    bind?: SshBind;
    /** All machines on 127.0.0.1, each on a port of its own, as on systems that route no other. Default: only there. */
    sharedAddress?: boolean;
    /** Default ed25519. */
    hostKeyType?: HostKeyType;
    /** Default ubuntu. */
    user?: string;
  };
  /** Ports inside each machine on which something says one line. Default 80 and 9999; a machine's tag `services` overrides. */
  services?: number[];
  /** The tag that says whose machine it is. Default `refId`. */
  refIdTag?: string;
}

export interface Simcloud {
  /** `http://127.0.0.1:PORT`; dialects live below it: `${url}/sim/v1`. */
  url: string;
  control: Control;
  /** Everything is closed and written when this resolves, the second time as the first; machines go on when a cloud starts from the same file. */
  stop(): Promise<void>;
}

export const DEFAULT_ACCOUNT: Account = { apiKey: 'sim-key', name: 'default' };

const DIALECTS: readonly Dialect[] = [simDialect, lambdaLabsDialect, shadeformDialect, nebiusDialect, awsDialect];

interface Snapshot {
  version: 1;
  clockOffsetMs: number;
  cloud: CloudSnapshot;
  ledger: LedgerSnapshot;
  faults: FaultsSnapshot;
}

/**
 * Starts a GPU cloud in this process; resolves when it answers and its machines of before, if any, do too.
 * @throws {Error} when the port is taken, the data file is not ours, or `ssh.bind` asks for what the OS refuses.
 */
export async function startSimcloud(options: SimcloudOptions = {}): Promise<Simcloud> {
  const earlier = options.dataFile === undefined ? undefined : await load(options.dataFile);
  let dataFile: DataFile<Snapshot> | undefined;
  const clock = new SimClock(earlier?.clockOffsetMs);
  const ledger = new Ledger(() => clock.now(), options.refIdTag ?? 'refId');
  const faults = new Faults();
  const catalog = options.catalog ?? DEFAULT_CATALOG;
  const cloud = new Cloud({
    seed: String(options.seed ?? randomBytes(8).toString('hex')),
    clock,
    ledger,
    faults,
    stock: stockOf(catalog),
    quota: new Quota(),
    rateLimit: options.rateLimit && new RateLimit(options.rateLimit, () => clock.now()),
    rateLimits: new Map(
      Object.entries(options.rateLimits ?? {}).map(([name, limit]) => [name, new RateLimit(limit, () => clock.now())]),
    ),
    addresses: await Addresses.open(options.ssh?.bind ?? 'auto', options.ssh?.sharedAddress),
    catalog,
    accounts: (options.accounts ?? [DEFAULT_ACCOUNT]).map((account) => ({ ...account })),
    timing: { ...DEFAULT_TIMING, ...options.timing },
    pageSize: options.pageSize ?? 100,
    sshUser: options.ssh?.user ?? 'ubuntu',
    hostKeyType: options.ssh?.hostKeyType ?? 'ed25519',
    services: options.services ?? [80, 9999],
    changed: () => dataFile?.changed(),
  });
  const snapshot = (): Snapshot => ({
    version: 1,
    clockOffsetMs: clock.offsetMs,
    cloud: cloud.snapshot(),
    ledger: ledger.snapshot(),
    faults: faults.snapshot(),
  });

  const control = createControl(cloud);
  const app = await createApp(cloud, control);
  const methods: GrpcMethods = Object.assign({}, ...DIALECTS.map((dialect) => dialect.methods?.(cloud)));
  const grpc = new GrpcDoor(methods, (requestId, status) => cloud.answered(requestId, status));
  grpc.share(app.server);
  const close = async (): Promise<void> => {
    clock.stop();
    grpc.close();
    await app.close();
    await dataFile?.close();
    await cloud.close();
  };
  let closing: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    closing ??= close();
    return closing;
  };
  try {
    if (earlier) {
      ledger.restore(earlier.ledger);
      faults.restore(earlier.faults);
      await cloud.restore(earlier.cloud);
    }
    // Not before: a restore that failed must not write half a cloud over the file.
    if (options.dataFile !== undefined) dataFile = new DataFile(options.dataFile, snapshot);
    const url = await app.listen({ port: options.port ?? 0, host: options.host ?? '127.0.0.1' });
    return { url, control, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function load(path: string): Promise<Snapshot | undefined> {
  const snapshot = await DataFile.load<Snapshot>(path);
  if (snapshot && snapshot.version !== 1) throw new Error(`${path} is not a simcloud data file of this version`);
  return snapshot;
}

function stockOf(catalog: Catalog): Stock {
  const stock = new Stock();
  for (const { name, locations, stock: count } of catalog.instanceTypes) {
    if (count === undefined) continue;
    for (const location of locations) stock.set({ location, instanceType: name, count });
  }
  return stock;
}

async function createApp(cloud: Cloud, control: Control): Promise<FastifyInstance> {
  const app = Fastify({
    genReqId: () => `req-${randomBytes(8).toString('hex')}`,
    forceCloseConnections: true,
    bodyLimit: 4 * 2 ** 20,
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => cloud.answered(request.id, reply.statusCode));
  // An empty body is no body, whatever its content type: SDKs send that with DELETE.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_request: unknown, text: string) => {
    try {
      return text === '' ? undefined : JSON.parse(text);
    } catch {
      return invalid('body', 'not JSON');
    }
  });
  app.setErrorHandler(async (error, _request, reply) => {
    const refusal = error instanceof CloudError ? error : new CloudError('internal', String(error));
    const { code, message, details } = refusal;
    return reply.code(REFUSALS[code]).send({ error: { code, message, field: details.field } });
  });
  app.setNotFoundHandler(async (request, reply) =>
    reply
      .code(404)
      .send({ error: { code: 'resource.not_found', message: `there is no ${request.method} ${request.url}` } }),
  );
  await app.register(async (scope) => registerControl(scope, control), { prefix: '/_control' });
  for (const dialect of DIALECTS) {
    await app.register(async (scope) => dialect.register(scope, cloud), { prefix: dialect.prefix });
  }
  return app;
}
