import { setTimeout as sleep } from 'node:timers/promises';
import { WORKER_TUNING } from '../../src/worker.js';
import { type Panel, toMeasure } from '../report/results.js';
import { percentile } from '../report/stats.js';
import { type Batch, Fleet } from '../stage/fleet.js';
import { openFilesLimit, rssMiB } from '../stage/proc.js';
import { type Slipway, Stage } from '../stage/stage.js';
import { until } from '../stage/wait.js';
import type { Run, Section } from './section.js';

const RSS_TARGET = { atMost: 700 };
/** Asked for together; the next ones when these are ready. It is idle instances that are measured, not a storm. */
const WAVE = 250;
/** Each machine has a listening socket in the simulated cloud, and there is the rest. */
const SPARE_FILES = 1_000;

interface Sample {
  seconds: number;
  worker: number;
  server: number;
  cloud: number;
}

/** Many instances at rest: what they cost to keep, and how quickly one of them answers. */
export const scale: Section = {
  name: 'scale',
  title: 'Idle instances',
  async run(run) {
    const count = run.given.instances ?? (run.quick ? 100 : 10_000);
    if (openFilesLimit() < count + SPARE_FILES) {
      throw new Error(
        `${count} machines that listen need ${count + SPARE_FILES} open files; here are ${openFilesLimit()} (ulimit -Hn)`,
      );
    }
    const stage = await Stage.open(run.say);
    try {
      run.version('Temporal server', stage.serverVersion);
      const timing = { bootMs: 0, sshDelayMs: 0, stopMs: 0 };
      const cloud = await stage.startCloud({ timing, pageSize: 1_000 });
      const slipway = await stage.startSlipway({ cloud, profile: run.profile });
      const empty = await stage.databaseBytes();
      const sampler = startSampler(stage, slipway);
      const startedAt = Date.now();
      const batches = await fill(new Fleet(stage, slipway), count, run);
      const filledAfter = (Date.now() - startedAt) / 1_000;
      const bytes = (await stage.databaseBytes()) - empty;

      const idleSeconds = run.quick ? 5 : 200;
      await sleep(run.quick ? 1_000 : 45_000); // a watcher stays alert for half a minute after the last create
      const before = await cloud.control.calls();
      const idleFrom = sampler.samples.length;
      await sleep(idleSeconds * 1_000);
      const calls = (await cloud.control.calls()).total - before.total;
      const idle = sampler.samples.slice(idleFrom);

      const refIds = batches.flatMap((batch) => batch.refIds);
      const describes = await time(pick(refIds, run.quick ? 20 : 500), (refId) => slipway.client.describe(refId));
      const victims = pick(refIds, run.quick ? 10 : 200);
      const stops = await time(victims, (refId) => slipway.client.stop(refId, {}));
      const stopped = await stoppedAfter(new Fleet(stage, slipway), victims, stops);
      const after = sampler.stop().slice(idleFrom);
      const peak = rssMiB(slipway.pid, 'peak');
      await slipway.stop();
      return report({
        count,
        filledAfter,
        bytes,
        calls,
        idleSeconds,
        idle,
        after,
        peak,
        samples: sampler.samples,
        describes,
        stops,
        stopped,
      });
    } finally {
      await stage.close();
    }
  },
};

async function fill(fleet: Fleet, count: number, run: Run): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let done = 0; done < count; done += WAVE) {
    const batch = await fleet.provision(Math.min(WAVE, count - done));
    await fleet.allReady(batch);
    batches.push(batch);
    if ((done / WAVE) % 4 === 3) run.say(`${done + WAVE} ready`);
  }
  return batches;
}

function startSampler(stage: Stage, slipway: Slipway): { samples: Sample[]; stop(): Sample[] } {
  const samples: Sample[] = [];
  const startedAt = Date.now();
  const take = () => {
    const seconds = (Date.now() - startedAt) / 1_000;
    samples.push({
      seconds,
      worker: rssMiB(slipway.pid),
      server: rssMiB(stage.server.pid),
      cloud: rssMiB(slipway.cloud.pid),
    });
  };
  take();
  const timer = setInterval(take, 1_000);
  return {
    samples,
    stop: () => {
      clearInterval(timer);
      take();
      return samples;
    },
  };
}

/** One after the other: what a caller feels while nobody else asks. @returns ms each. */
async function time(
  refIds: readonly string[],
  call: (refId: string) => Promise<unknown>,
): Promise<{ ms: number; at: number }[]> {
  const took: { ms: number; at: number }[] = [];
  for (const refId of refIds) {
    const at = Date.now();
    const startedAt = performance.now();
    await call(refId);
    took.push({ ms: performance.now() - startedAt, at });
  }
  return took;
}

/** From the order until the cloud has it stopped, in ms. */
async function stoppedAfter(
  fleet: Fleet,
  refIds: readonly string[],
  orders: readonly { at: number }[],
): Promise<number[]> {
  const stoppedAt = (machines: Awaited<ReturnType<Fleet['machines']>>, refId: string) =>
    machines.get(refId)?.history.find(({ status }) => status === 'stopped')?.at;
  let machines = await fleet.machines();
  await until(
    'the stopped ones to be stopped',
    async () => {
      machines = await fleet.machines();
      return refIds.every((refId) => stoppedAt(machines, refId) !== undefined);
    },
    { everyMs: 2_000 },
  );
  return refIds.map((refId, index) => (stoppedAt(machines, refId) ?? Number.NaN) - (orders[index]?.at ?? Number.NaN));
}

/** Spread evenly, so that old and new ones are among them: those that the worker holds in its cache, and those it does not. */
function pick(refIds: readonly string[], count: number): string[] {
  const step = refIds.length / Math.min(count, refIds.length);
  return Array.from(
    { length: Math.min(count, refIds.length) },
    (_, index) => refIds[Math.floor(index * step)] as string,
  );
}

interface Findings {
  count: number;
  filledAfter: number;
  bytes: number;
  calls: number;
  idleSeconds: number;
  idle: Sample[];
  after: Sample[];
  peak: number;
  samples: Sample[];
  describes: { ms: number }[];
  stops: { ms: number }[];
  stopped: number[];
}

function report(found: Findings) {
  const { count, filledAfter, bytes, calls, idleSeconds, idle, after, peak, samples, describes, stops, stopped } =
    found;
  const latencies = (took: { ms: number }[]) => took.map(({ ms }) => ms);
  const most = (some: Sample[], what: keyof Sample) => Math.max(...some.map((sample) => sample[what]));
  const shown = samples.filter((_, index) => index % Math.ceil(samples.length / 300) === 0);
  const panels: Panel[] = [
    {
      title: 'Resident memory',
      unit: 'MiB',
      kind: 'lines',
      x: shown.map(({ seconds }) => Math.round(seconds)),
      xUnit: 'seconds',
      series: [
        { name: 'worker', values: shown.map(({ worker }) => Math.round(worker)) },
        { name: 'Temporal server', values: shown.map(({ server }) => Math.round(server)) },
        { name: 'simulated cloud', values: shown.map(({ cloud }) => Math.round(cloud)) },
      ],
      targets: [{ label: 'worker ≤ 700 MiB', value: RSS_TARGET.atMost }],
    },
    {
      title: 'How long one call takes',
      unit: 'ms',
      kind: 'bars',
      x: ['describe', 'stop'],
      series: [0.5, 0.99].map((share) => ({
        name: `p${share * 100}`,
        values: [percentile(latencies(describes), share), percentile(latencies(stops), share)],
      })),
    },
  ];
  return {
    parameters: {
      instances: count,
      wave: WAVE,
      'idle s': idleSeconds,
      describes: describes.length,
      stops: stops.length,
    },
    measures: [
      toMeasure(
        'worker-rss',
        `worker RSS with ${count} idle, describes and stops among them: most`,
        most(after, 'worker'),
        'MiB',
        RSS_TARGET,
      ),
      toMeasure('worker-rss-idle', 'worker RSS, nothing going on: most', most(idle, 'worker'), 'MiB'),
      toMeasure('worker-rss-peak', 'worker RSS while they were provisioned: most', peak, 'MiB'),
      toMeasure('server-rss', 'Temporal server RSS: most', most(samples, 'server'), 'MiB'),
      toMeasure('db-bytes', 'server database per instance', bytes / count / 1024, 'KiB'),
      toMeasure('watcher-calls', 'calls to the provider, per minute of idleness', (calls * 60) / idleSeconds, ''),
      toMeasure('describe-p50', 'describe: p50', percentile(latencies(describes), 0.5), 'ms'),
      toMeasure('describe-p99', 'describe: p99', percentile(latencies(describes), 0.99), 'ms'),
      toMeasure('stop-p50', 'stop, until recorded: p50', percentile(latencies(stops), 0.5), 'ms'),
      toMeasure('stop-p99', 'stop, until recorded: p99', percentile(latencies(stops), 0.99), 'ms'),
      toMeasure('stopped-p99', 'stop, until the machine is stopped: p99', percentile(stopped, 0.99), 'ms'),
      toMeasure('fill', 'time to provision them all', filledAfter, 's'),
    ],
    panels,
    notes: [
      'Each machine is a real sshd on a loopback address of its own, in the simulated cloud’s process. A listing page holds 1,000.',
      `The worker keeps its default of ${WORKER_TUNING.maxCachedWorkflows} workflows in its cache: a describe or stop of any other replays a history first.`,
      'The database is SQLite with its write-ahead log.',
    ],
  };
}
