import { instanceWorkflowId } from '../../src/domain/ids.js';
import { shapeOf, toBarePlan } from '../history/shape.js';
import { toMeasure } from '../report/results.js';
import { median } from '../report/stats.js';
import { BareFleet } from '../stage/bare-fleet.js';
import { type Batch, Fleet } from '../stage/fleet.js';
import { cpuMs } from '../stage/proc.js';
import { type BenchCloud, Stage } from '../stage/stage.js';
import type { BarePlan } from '../workflows/bare.js';
import type { Section } from './section.js';

/** One side of one round. */
interface Side {
  perSecond: number;
  /** Of the worker, per workflow. */
  workerMs: number;
  serverMs: number;
  /** Only ours has one. */
  cloudMs: number;
}

/** Ours against a bare workflow with as many activities and as many bytes, on the same server, in turns. */
export const throughput: Section = {
  name: 'throughput',
  title: 'Throughput beside a bare workflow',
  async run(run) {
    const count = run.given.instances ?? (run.quick ? 5 : 200);
    const rounds = run.given.rounds ?? (run.quick ? 1 : 5);
    const stage = await Stage.open(run.say);
    try {
      run.version('Temporal server', stage.serverVersion);
      const cloud = await stage.startCloud({ timing: { bootMs: 0, sshDelayMs: 0, terminateMs: 0 }, pageSize: 1_000 });
      const slipway = await stage.startSlipway({ cloud, profile: run.profile });
      const fleet = new Fleet(stage, slipway);
      const { plan, activities } = await planLikeOurs(stage, fleet);
      const bare = await stage.startBare();
      const bareFleet = new BareFleet(stage, bare, plan);

      const ours = async (size: number): Promise<Side> => {
        const before = usage(stage, slipway.pid, cloud);
        const batch = await fleet.provision(size);
        await fleet.allReady(batch);
        const used = usage(stage, slipway.pid, cloud, before);
        const ms = Math.max(...(await fleet.readyAt(batch))) - batch.startedAt;
        await fleet.end(batch);
        return toSide(size, ms, used);
      };
      const theirs = async (size: number): Promise<Side> => {
        const before = usage(stage, bare.pid);
        const ms = await bareFleet.run(size);
        return toSide(size, ms, usage(stage, bare.pid, undefined, before));
      };
      run.say('one round to warm up');
      await ours(Math.ceil(count / 2));
      await theirs(Math.ceil(count / 2));

      const pairs: { ours: Side; bare: Side }[] = [];
      for (let round = 0; round < rounds; round++) {
        // In turns, so that neither always meets the warmer machine or the larger database.
        const pair =
          round % 2 === 0
            ? { ours: await ours(count), bare: await theirs(count) }
            : await backwards(ours, theirs, count);
        pairs.push(pair);
        run.say(
          `round ${round + 1}: ours ${pair.ours.perSecond.toFixed(1)}/s, bare ${pair.bare.perSecond.toFixed(1)}/s`,
        );
      }
      await slipway.stop();
      return report(pairs, { count, rounds, activities, plan });
    } finally {
      await stage.close();
    }
  },
};

async function backwards(
  ours: (size: number) => Promise<Side>,
  theirs: (size: number) => Promise<Side>,
  count: number,
) {
  const bare = await theirs(count);
  return { bare, ours: await ours(count) };
}

/** Provisions one instance, and makes the bare workflow from its history. */
export async function planLikeOurs(stage: Stage, fleet: Fleet): Promise<{ plan: BarePlan; activities: string[] }> {
  const batch: Batch = await fleet.provision(1);
  await fleet.allReady(batch);
  const [refId = ''] = batch.refIds;
  const shape = shapeOf(await stage.temporal.workflow.getHandle(instanceWorkflowId(refId)).fetchHistory());
  await fleet.end(batch);
  return { plan: toBarePlan(shape), activities: shape.activities.map(({ name }) => name) };
}

type Usage = Pick<Side, 'workerMs' | 'serverMs' | 'cloudMs'>;

/** CPU used so far; or since `before`. */
function usage(
  stage: Stage,
  worker: number,
  cloud?: BenchCloud,
  before: Usage = { workerMs: 0, serverMs: 0, cloudMs: 0 },
): Usage {
  return {
    workerMs: cpuMs(worker) - before.workerMs,
    serverMs: cpuMs(stage.server.pid) - before.serverMs,
    cloudMs: (cloud ? cpuMs(cloud.pid) : 0) - before.cloudMs,
  };
}

function toSide(count: number, ms: number, { workerMs, serverMs, cloudMs }: Usage): Side {
  return {
    perSecond: (count * 1_000) / ms,
    workerMs: workerMs / count,
    serverMs: serverMs / count,
    cloudMs: cloudMs / count,
  };
}

function report(
  pairs: { ours: Side; bare: Side }[],
  { count, rounds, activities, plan }: { count: number; rounds: number; activities: string[]; plan: BarePlan },
) {
  const of = (side: 'ours' | 'bare', what: keyof Side) => median(pairs.map((pair) => pair[side][what]));
  const ratio = median(pairs.map(({ ours, bare }) => ours.perSecond / bare.perSecond));
  const moved = plan.activities.reduce(
    (sum, { inputBytes, resultBytes }) => sum + inputBytes + resultBytes,
    plan.padding.length,
  );
  return {
    parameters: { instances: count, rounds, 'boot ms': 0, 'poll interval ms': 1_000 },
    measures: [
      toMeasure('ratio', 'ours / bare, median of the rounds', ratio, '', { atLeast: 0.8 }),
      toMeasure('ours', 'provisions a second', of('ours', 'perSecond'), '/s'),
      toMeasure('bare', 'bare workflows a second', of('bare', 'perSecond'), '/s'),
      toMeasure('ours-worker-cpu', 'CPU of our worker per provision', of('ours', 'workerMs'), 'ms'),
      toMeasure('bare-worker-cpu', 'CPU of the bare worker per workflow', of('bare', 'workerMs'), 'ms'),
      toMeasure('ours-server-cpu', 'CPU of the Temporal server per provision', of('ours', 'serverMs'), 'ms'),
      toMeasure('bare-server-cpu', 'CPU of the Temporal server per bare workflow', of('bare', 'serverMs'), 'ms'),
      toMeasure('cloud-cpu', 'CPU of the simulated cloud per provision', of('ours', 'cloudMs'), 'ms'),
    ],
    panels: [
      {
        title: 'Until all were done, by round',
        unit: '1/s',
        kind: 'bars' as const,
        x: pairs.map((_, index) => `round ${index + 1}`),
        series: [
          { name: 'provision', values: pairs.map(({ ours }) => ours.perSecond) },
          { name: 'bare workflow', values: pairs.map(({ bare }) => bare.perSecond) },
        ],
      },
      {
        title: 'CPU per workflow',
        unit: 'ms',
        kind: 'stacked' as const,
        x: ['provision', 'bare workflow'],
        series: [
          { name: 'worker', values: [of('ours', 'workerMs'), of('bare', 'workerMs')] },
          { name: 'Temporal server', values: [of('ours', 'serverMs'), of('bare', 'serverMs')] },
          { name: 'simulated cloud', values: [of('ours', 'cloudMs'), of('bare', 'cloudMs')] },
        ],
      },
    ],
    notes: [
      `The bare workflow runs as many activities as a real provision (${activities.join(', ')}), one after the other, and moves as many bytes: ${moved}.`,
    ],
  };
}
