import { TAG as LAMBDA_TAG } from '../../src/adapters/lambda-labs/identity.js';
import { DEFAULT_ACCOUNT, LAMBDA_RATE_LIMIT, type Simcloud } from '../../src/simcloud/index.js';
import { dialectOf } from '../../tests/support/dialects.js';
import { type Panel, toMeasure } from '../report/results.js';
import { type CallCount, callsSince } from '../stage/calls.js';
import { Fleet } from '../stage/fleet.js';
import { Stage } from '../stage/stage.js';
import type { Run, Section } from './section.js';

const BOOT_MS = 2_000;
const POLL_MS = 1_000;
/** Of the sizes, where the targets hold. */
const JUDGED = 200;

interface Sized extends CallCount {
  size: number;
  seconds: number;
  /** Account listings, by how many a watcher at its fastest pace may make in that time. */
  listingsPerInterval: number;
}

/** What a provider hears of us while instances come up, by endpoint; and a vendor with real limits. */
export const calls: Section = {
  name: 'calls',
  title: 'Calls to the provider',
  async run(run) {
    const sizes = run.quick ? [1, 4] : [1, 50, 200, 1_000];
    const stage = await Stage.open(run.say);
    try {
      run.version('Temporal server', stage.serverVersion);
      const measured = await atEachSize(stage, run, sizes);
      const lambda = await likeLambda(stage, run);
      return report(measured, lambda);
    } finally {
      await stage.close();
    }
  },
};

async function atEachSize(stage: Stage, run: Run, sizes: readonly number[]): Promise<Sized[]> {
  const timing = { bootMs: BOOT_MS, sshDelayMs: 0, terminateMs: 0, forgetAfterMs: 0 };
  // A page holds the account: how many pages a listing has is the vendor's business, and Lambda has none.
  const cloud = await stage.startCloud({ timing, pageSize: 1_000 });
  const slipway = await stage.startSlipway({ cloud, credential: { pollIntervalMs: POLL_MS } });
  const fleet = new Fleet(stage, slipway);
  const measured: Sized[] = [];
  for (const size of sizes) {
    const before = await cloud.control.calls();
    const batch = await fleet.provision(size);
    await fleet.allReady(batch);
    const count = callsSince(before, await cloud.control.calls());
    const countedMs = Date.now() - batch.startedAt;
    const seconds = (Math.max(...(await fleet.readyAt(batch))) - batch.startedAt) / 1_000;
    await fleet.end(batch);
    // The count ends when the bench has seen the last of them ready, up to a second after it was; the first is at once.
    const intervals = Math.floor(countedMs / POLL_MS) + 1;
    measured.push({ ...count, size, seconds, listingsPerInterval: count.accountListings / intervals });
    run.say(
      `${size}: ${(count.total / size).toFixed(2)} calls per instance, ${count.accountListings} account listings in ${seconds.toFixed(1)} s`,
    );
  }
  await slipway.stop();
  return measured;
}

interface Lambda extends CallCount {
  size: number;
  scale: number;
  seconds: number;
}

/** Lambda’s dialect with its limits, both in simcloud and in the adapter; `scale` makes time pass faster for both. */
async function likeLambda(stage: Stage, run: Run): Promise<Lambda> {
  const scale = run.quick ? 2 : 1;
  const size = run.quick ? 2 : 20;
  const dialect = dialectOf('lambda-labs');
  const requestsPerSecond = (LAMBDA_RATE_LIMIT.requestsPerSecond ?? 1) * scale;
  const createsPerMinute = (LAMBDA_RATE_LIMIT.createsPerMinute ?? 5) * scale;
  const cloud = await stage.startCloud({
    timing: { bootMs: BOOT_MS, sshDelayMs: 0, terminateMs: 0 },
    rateLimits: { 'lambda-labs': { ...LAMBDA_RATE_LIMIT, requestsPerSecond, createsPerMinute } },
    refIdTag: LAMBDA_TAG.refId,
  });
  const reach = { url: cloud.url } as Simcloud; // all that a dialect asks of it
  await dialect.prepare?.(reach, DEFAULT_ACCOUNT.apiKey);
  const credential = {
    provider: 'lambda-labs',
    ...dialect.credential(reach, DEFAULT_ACCOUNT.apiKey),
    requestsPerSecond,
    createsPerMinute,
    pollIntervalMs: 5_000 / scale,
    listingLagMs: 15_000 / scale,
  };
  // The limiter spaces calls; what the account's preparation took from the bucket has come back by then.
  const slipway = await stage.startSlipway({ cloud, credential });
  const fleet = new Fleet(stage, slipway);
  const before = await cloud.control.calls();
  const batch = await fleet.provision(size);
  await fleet.allReady(batch, 1_800_000);
  const seconds = (Math.max(...(await fleet.readyAt(batch))) - batch.startedAt) / 1_000;
  const count = callsSince(before, await cloud.control.calls());
  run.say(
    `Lambda’s limits, ${scale} times as fast: ${size} ready in ${seconds.toFixed(0)} s, ${count.tooMany} answers 429`,
  );
  for (const { endpoint, afterMs } of count.refused) run.say(`429: ${endpoint}, ${afterMs} ms after the call before`);
  await slipway.stop();
  return { ...count, size, scale, seconds };
}

function report(measured: Sized[], lambda: Lambda) {
  const endpoints = [...new Set(measured.flatMap(({ byEndpoint }) => Object.keys(byEndpoint)))].sort();
  const judged = measured.find(({ size }) => size === JUDGED) ?? measured.at(-1);
  const perInstance = ({ total, size }: { total: number; size: number }) => total / size;
  const panels: Panel[] = [
    {
      title: 'Calls per instance',
      unit: 'calls',
      kind: 'stacked',
      x: measured.map(({ size }) => `${size}`),
      xUnit: 'instances at once',
      series: endpoints.map((name) => ({
        name,
        values: measured.map(({ byEndpoint, size }) => (byEndpoint[name] ?? 0) / size),
      })),
      targets: [{ label: '≤ 3 at 200', value: 3 }],
    },
    {
      title: 'Account listings per poll interval',
      unit: 'listings',
      kind: 'bars',
      x: measured.map(({ size }) => `${size}`),
      xUnit: 'instances at once',
      series: [{ name: 'listings', values: measured.map(({ listingsPerInterval }) => listingsPerInterval) }],
      targets: [{ label: 'does not grow', value: 1 }],
    },
  ];
  return {
    parameters: {
      'boot ms': BOOT_MS,
      'poll interval ms': POLL_MS,
      'Lambda: instances': lambda.size,
      'Lambda: times as fast as its limits': lambda.scale,
    },
    measures: [
      ...measured.flatMap((one) => [
        toMeasure(
          `per-instance-${one.size}`,
          `${one.size} at once: calls per instance`,
          perInstance(one),
          '',
          one === judged ? { atMost: 3 } : undefined,
        ),
        toMeasure(`reads-${one.size}`, `${one.size} at once: reads per instance`, one.reads / one.size, ''),
        toMeasure(
          `listings-${one.size}`,
          `${one.size} at once: account listings per poll interval`,
          one.listingsPerInterval,
          '',
          one === judged ? { atMost: 1 } : undefined,
        ),
      ]),
      ...endpoints.map((name) =>
        toMeasure(
          `endpoint-${judged?.size}-${name.replace(/\W+/g, '-')}`,
          `${judged?.size} at once: ${name}, per instance`,
          (judged?.byEndpoint[name] ?? 0) / (judged?.size ?? 1),
          '',
        ),
      ),
      toMeasure('lambda-429', 'Lambda’s limits: answers 429', lambda.tooMany, '', { atMost: 0 }),
      toMeasure('lambda-per-instance', 'Lambda’s limits: calls per instance', perInstance(lambda), ''),
      toMeasure('lambda-seconds', `Lambda’s limits: ${lambda.size} ready after`, lambda.seconds, 's'),
    ],
    panels,
    notes: [
      'Counted by the cloud, from the first request until the last instance is ready. A listing is one page: simcloud’s pages hold 1,000 here.',
      ...(lambda.refused.length > 0
        ? [
            `429 met: ${lambda.refused.map(({ endpoint, afterMs }) => `${endpoint}, ${afterMs} ms after the call before`).join('; ')}.`,
          ]
        : []),
      `Lambda: ${lambda.scale === 1 ? 'its real limits, 1 request a second and 1 launch in 12 s' : `its limits, ${lambda.scale} times as fast`}; per endpoint: ${Object.entries(
        lambda.byEndpoint,
      )
        .map(([name, times]) => `${name} ${times}`)
        .join(', ')}.`,
    ],
  };
}
