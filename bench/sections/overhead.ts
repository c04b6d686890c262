import { setTimeout as sleep } from 'node:timers/promises';
import { type Panel, toMeasure } from '../report/results.js';
import { percentile } from '../report/stats.js';
import { BareFleet } from '../stage/bare-fleet.js';
import { type Arrival, type Batch, Fleet } from '../stage/fleet.js';
import { Stage } from '../stage/stage.js';
import type { Section } from './section.js';
import { planLikeOurs } from './throughput.js';

const BOOT_MS = 2_000;
const POLL_MS = 1_000;
/** Its multiples, without their whole part, are spread evenly. */
const GOLDEN = 0.618;
/** Seconds from "the provider says running, and sshd listens" to "ready". */
const TARGETS = { p50: { atMost: 0.8 }, p99: { atMost: 2.5 } };
const BURST_TARGET = { atMost: 1.25 };

interface Burst {
  size: number;
  oursS: number;
  bareS: number;
}

/** What we add to a machine's own boot: by the cloud's clock, one at a time, steadily, and in bursts. */
export const overhead: Section = {
  name: 'overhead',
  title: 'From "running" to ready',
  async run(run) {
    const alone = run.quick ? 2 : 30;
    const seconds = run.quick ? 3 : 60;
    const rates = run.quick ? [2] : [5, 10];
    const bursts = run.quick ? [4] : [50, 200, 1_000];
    const stage = await Stage.open(run.say);
    try {
      run.version('Temporal server', stage.serverVersion);
      // sshd listens when the provider says "running": the ledger's time of that is the time to count from.
      const timing = { bootMs: BOOT_MS, sshDelayMs: 0, terminateMs: 0 };
      const cloud = await stage.startCloud({ timing, pageSize: 1_000 });
      const slipway = await stage.startSlipway({
        cloud,
        credential: { pollIntervalMs: POLL_MS },
        profile: run.profile,
      });
      const fleet = new Fleet(stage, slipway);
      const { plan } = await planLikeOurs(stage, fleet);
      const bare = new BareFleet(stage, await stage.startBare(), plan);
      await warmUp(fleet, bare, run.quick ? 2 : 100);

      const overheads = new Map<string, number[]>();
      const one = async (count: number, arrival?: Arrival): Promise<number[]> => {
        const batch = await fleet.provision(count, arrival);
        await fleet.allReady(batch);
        const took = await overheadsOf(fleet, batch);
        await fleet.end(batch);
        return took;
      };
      const singly: number[] = [];
      for (let index = 0; index < alone; index++) {
        // The one before it ended with a listing: without a pause all would meet the watcher's pace at the same point.
        await sleep(((index * GOLDEN) % 1) * POLL_MS);
        singly.push(...(await one(1)));
      }
      overheads.set('alone', singly);
      run.say(`alone: p50 ${percentile(singly, 0.5).toFixed(2)} s`);
      for (const perSecond of rates) {
        const took = await one(perSecond * seconds, { perSecond });
        overheads.set(`${perSecond} a second`, took);
        run.say(
          `${perSecond} a second: p50 ${percentile(took, 0.5).toFixed(2)} s, p99 ${percentile(took, 0.99).toFixed(2)} s`,
        );
      }
      const measured: Burst[] = [];
      for (const size of bursts) {
        const bareS = (await bare.run(size)) / 1_000;
        const batch = await fleet.provision(size);
        await fleet.allReady(batch);
        const oursS = (Math.max(...(await fleet.readyAt(batch))) - batch.startedAt) / 1_000;
        await fleet.end(batch);
        measured.push({ size, oursS, bareS });
        run.say(`burst of ${size}: ours ${oursS.toFixed(1)} s, bare ${bareS.toFixed(1)} s`);
      }
      await slipway.stop();
      return report(overheads, measured, { alone, seconds });
    } finally {
      await stage.close();
    }
  },
};

async function warmUp(fleet: Fleet, bare: BareFleet, size: number): Promise<void> {
  const batch = await fleet.provision(size);
  await fleet.allReady(batch);
  await fleet.end(batch);
  await bare.run(size);
}

/** In seconds. */
async function overheadsOf(fleet: Fleet, batch: Batch): Promise<number[]> {
  const machines = await fleet.machines();
  const readyAt = await fleet.readyAt(batch);
  return batch.refIds.map((refId, index) => {
    const running = machines.get(refId)?.history.find(({ status }) => status === 'running');
    if (!running) throw new Error(`the cloud never had ${refId} running`);
    return ((readyAt[index] ?? Number.NaN) - running.at) / 1_000;
  });
}

function report(
  overheads: Map<string, number[]>,
  bursts: Burst[],
  { alone, seconds }: { alone: number; seconds: number },
) {
  const cases = [...overheads];
  const busiest = cases.at(-1)?.[0];
  const at = (share: number) => cases.map(([, values]) => percentile(values, share));
  const panels: Panel[] = [
    {
      title: 'From "running" to ready',
      unit: 's',
      kind: 'bars',
      x: cases.map(([name]) => name),
      series: [
        { name: 'p50', values: at(0.5) },
        { name: 'p99', values: at(0.99) },
      ],
      targets: [
        { label: 'p50 ≤ 0.8 s', value: 0.8 },
        { label: 'p99 ≤ 2.5 s', value: 2.5 },
      ],
    },
    {
      title: 'A burst, until all are ready',
      unit: 's',
      kind: 'bars',
      x: bursts.map(({ size }) => `${size}`),
      xUnit: 'instances at once',
      series: [
        { name: 'provisions', values: bursts.map(({ oursS }) => oursS) },
        { name: 'bare workflows', values: bursts.map(({ bareS }) => bareS) },
      ],
    },
  ];
  return {
    parameters: { 'boot ms': BOOT_MS, 'poll interval ms': POLL_MS, 'alone, times': alone, 'steady for s': seconds },
    measures: [
      ...cases.flatMap(([name, values]) => [
        toMeasure(
          `p50-${slug(name)}`,
          `${name}: p50`,
          percentile(values, 0.5),
          's',
          name === busiest ? TARGETS.p50 : undefined,
        ),
        toMeasure(
          `p99-${slug(name)}`,
          `${name}: p99`,
          percentile(values, 0.99),
          's',
          name === busiest ? TARGETS.p99 : undefined,
        ),
      ]),
      ...bursts.flatMap(({ size, oursS, bareS }) => [
        toMeasure(`burst-${size}-ours`, `burst of ${size}: all ready after`, oursS, 's'),
        toMeasure(`burst-${size}-bare`, `burst of ${size}: bare workflows done after`, bareS, 's'),
        toMeasure(
          `burst-${size}-ratio`,
          `burst of ${size}: ours / bare, boot included`,
          oursS / bareS,
          '',
          BURST_TARGET,
        ),
        toMeasure(
          `burst-${size}-beyond-boot`,
          `burst of ${size}: ours without the ${BOOT_MS / 1_000} s of boot / bare`,
          (oursS - BOOT_MS / 1_000) / bareS,
          '',
        ),
      ]),
    ],
    panels,
    notes: [
      `A machine is seen running half a poll interval late on average: ${POLL_MS / 2_000} s of the median are the provider’s pace.`,
      'Alone: one after the other, with pauses of 0 to 1 s spread evenly, or each would meet the watcher’s listings at the same point.',
      'No burst can be ready before a boot is over: where the bare workflows take less than a few boots, the boot is most of the ratio.',
    ],
  };
}

function slug(name: string): string {
  return name.replace(/\W+/g, '-');
}
