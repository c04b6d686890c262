import { instanceWorkflowId } from '../../src/domain/ids.js';
import { SEARCH_ATTRIBUTES } from '../../src/domain/search-attributes.js';
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

interface Round {
  ours: Side;
  bare: Side;
  /** The bare workflow that also writes search attributes and is woken as a provision is. */
  alike: Side;
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
      const { plan, activities, upserts } = await planLikeOurs(stage, fleet);
      const bare = await stage.startBare();
      const plain = new BareFleet(stage, bare, plan);
      const alike = { searchAttribute: SEARCH_ATTRIBUTES.phase, upserts };
      const engineAlike = new BareFleet(stage, bare, { ...plan, alike });

      const ours = async (size: number): Promise<Side> => {
        const before = usage(stage, slipway.pid, cloud);
        const batch = await fleet.provision(size);
        await fleet.allReady(batch);
        const used = usage(stage, slipway.pid, cloud, before);
        const ms = Math.max(...(await fleet.readyAt(batch))) - batch.startedAt;
        await fleet.end(batch);
        return toSide(size, ms, used);
      };
      const theirs = async (bareFleet: BareFleet, size: number): Promise<Side> => {
        const before = usage(stage, bare.pid);
        const ms = await bareFleet.run(size);
        return toSide(size, ms, usage(stage, bare.pid, undefined, before));
      };
      run.say('one round to warm up');
      await ours(Math.ceil(count / 2));
      await theirs(plain, Math.ceil(count / 2));

      const sides: { [side in keyof Round]: () => Promise<Side> } = {
        ours: () => ours(count),
        bare: () => theirs(plain, count),
        alike: () => theirs(engineAlike, count),
      };
      const measured: Round[] = [];
      for (let round = 0; round < rounds; round++) {
        // In turns, so that none always meets the warmer machine or the larger database.
        const order = round % 2 === 0 ? (['ours', 'bare', 'alike'] as const) : (['alike', 'bare', 'ours'] as const);
        const one: Partial<Round> = {};
        for (const side of order) one[side] = await sides[side]();
        measured.push(one as Round);
        const rates = order.map((side) => `${side} ${one[side]?.perSecond.toFixed(1)}/s`);
        run.say(`round ${round + 1}: ${rates.join(', ')}`);
      }
      await slipway.stop();
      return report(measured, { count, rounds, activities, upserts, plan });
    } finally {
      await stage.close();
    }
  },
};

interface Likeness {
  plan: BarePlan;
  /** By name. */
  activities: string[];
  upserts: number;
}

/** Provisions one instance, and makes the bare workflow from its history. */
export async function planLikeOurs(stage: Stage, fleet: Fleet): Promise<Likeness> {
  const batch: Batch = await fleet.provision(1);
  await fleet.allReady(batch);
  const [refId = ''] = batch.refIds;
  const shape = shapeOf(await stage.temporal.workflow.getHandle(instanceWorkflowId(refId)).fetchHistory());
  await fleet.end(batch);
  const { activities, upserts } = shape;
  return { plan: toBarePlan(shape), activities: activities.map(({ name }) => name), upserts };
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
  measured: Round[],
  { count, rounds, activities, upserts, plan }: Likeness & { count: number; rounds: number },
) {
  const of = (side: keyof Round, what: keyof Side) => median(measured.map((round) => round[side][what]));
  const ratio = median(measured.map(({ ours, bare }) => ours.perSecond / bare.perSecond));
  const ratioAlike = median(measured.map(({ ours, alike }) => ours.perSecond / alike.perSecond));
  const moved = plan.activities.reduce(
    (sum, { inputBytes, resultBytes }) => sum + inputBytes + resultBytes,
    plan.padding.length,
  );
  return {
    parameters: { instances: count, rounds, 'boot ms': 0, 'poll interval ms': 1_000 },
    measures: [
      toMeasure('ratio', 'ours / bare, median of the rounds', ratio, '', { atLeast: 0.8 }),
      toMeasure('ratio-alike', 'ours / bare with as many upserts and wake-ups', ratioAlike, ''),
      toMeasure('ours', 'provisions a second', of('ours', 'perSecond'), '/s'),
      toMeasure('bare', 'bare workflows a second', of('bare', 'perSecond'), '/s'),
      toMeasure('alike', 'bare workflows with upserts and a wake-up a second', of('alike', 'perSecond'), '/s'),
      toMeasure('ours-worker-cpu', 'CPU of our worker per provision', of('ours', 'workerMs'), 'ms'),
      toMeasure('bare-worker-cpu', 'CPU of the bare worker per workflow', of('bare', 'workerMs'), 'ms'),
      toMeasure('alike-worker-cpu', '… with upserts and a wake-up', of('alike', 'workerMs'), 'ms'),
      toMeasure('ours-server-cpu', 'CPU of the Temporal server per provision', of('ours', 'serverMs'), 'ms'),
      toMeasure('bare-server-cpu', 'CPU of the Temporal server per bare workflow', of('bare', 'serverMs'), 'ms'),
      toMeasure('alike-server-cpu', '… with upserts and a wake-up', of('alike', 'serverMs'), 'ms'),
      toMeasure('cloud-cpu', 'CPU of the simulated cloud per provision', of('ours', 'cloudMs'), 'ms'),
    ],
    panels: [
      {
        title: 'Until all were done, by round',
        unit: '1/s',
        kind: 'bars' as const,
        x: measured.map((_, index) => `round ${index + 1}`),
        series: [
          { name: 'provision', values: measured.map(({ ours }) => ours.perSecond) },
          { name: 'bare, with upserts and a wake-up', values: measured.map(({ alike }) => alike.perSecond) },
          { name: 'bare workflow', values: measured.map(({ bare }) => bare.perSecond) },
        ],
      },
      {
        title: 'CPU per workflow',
        unit: 'ms',
        kind: 'stacked' as const,
        x: ['provision', 'bare, upserts and a wake-up', 'bare workflow'],
        series: (
          [
            ['worker', 'workerMs'],
            ['Temporal server', 'serverMs'],
            ['simulated cloud', 'cloudMs'],
          ] as const
        ).map(([name, what]) => ({ name, values: [of('ours', what), of('alike', what), of('bare', what)] })),
      },
    ],
    notes: [
      `The bare workflow runs as many activities as a real provision (${activities.join(', ')}), one after the other, and moves as many bytes: ${moved}. Beside it one that also upserts search attributes ${upserts} times and is woken by a timer where a provision waits for its machine: what is left between that one and ours is HTTP, SSH with its cryptography, the watcher, and our own code.`,
    ],
  };
}
