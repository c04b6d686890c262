import { setTimeout as sleep } from 'node:timers/promises';
import { instanceWorkflowId, watchWorkflowId } from '../../src/domain/ids.js';
import { type Reading, read, readAtRest, since } from '../history/reading.js';
import { type Measure, type Panel, type Target, toMeasure } from '../report/results.js';
import { median } from '../report/stats.js';
import { each, Fleet } from '../stage/fleet.js';
import { type BenchCloud, type Slipway, Stage } from '../stage/stage.js';
import type { Run, Section } from './section.js';

const BOOT_MS = 2_000;
const POLL_MS = 1_000;
const DAY_S = 86_400;
const STEPS = ['provision', 'stop', 'start', 'terminate'] as const;
type Step = (typeof STEPS)[number];
/** Of a provision, with a journal or without. */
const TARGETS: Record<keyof Reading, number> = { events: 45, actions: 9, bytes: 60 };
const IDLE_TARGET = 1;

interface Costs {
  steps: Record<Step, Reading>;
  /** Sent to the server while instances came up, per provision, beyond those of the watcher. */
  heartbeats: number;
}

interface Idle {
  instances: number;
  seconds: number;
  /** In the histories of the instances themselves. */
  own: number;
  /** In the watcher's history. */
  account: number;
  /** Of the watcher, in that time. */
  heartbeats: number;
  /** How long the server waits for the watcher's next heartbeat, in s: the SDK sends one after four fifths of it. */
  heartbeatTimeout: number;
}

/** What Temporal keeps and bills: per step of a life, and for a day of doing nothing. */
export const cost: Section = {
  name: 'cost',
  title: 'What Temporal keeps and bills',
  async run(run) {
    const times = run.given.rounds ?? (run.quick ? 1 : 5);
    const stage = await Stage.open(run.say);
    try {
      run.version('Temporal server', stage.serverVersion);
      const timing = { bootMs: BOOT_MS, sshDelayMs: 0 };
      const cloud = await stage.startCloud({ timing, pageSize: 1_000 });
      const plain = await costsOf(stage, cloud, times, false);
      run.say(`without a journal: ${JSON.stringify(plain.steps.provision)}`);
      const journaled = await costsOf(stage, cloud, times, true);
      run.say(`with a journal: ${JSON.stringify(journaled.steps.provision)}`);
      const idle = await idleCost(stage, cloud, run);
      return report(plain, journaled, idle, times);
    } finally {
      await stage.close();
    }
  },
};

/** The median of several lives, one after the other: how many observations an instance hears is a matter of timing. */
async function costsOf(stage: Stage, cloud: BenchCloud, times: number, journal: boolean): Promise<Costs> {
  const slipway = await stage.startSlipway({ cloud, credential: { pollIntervalMs: POLL_MS }, journal, metrics: true });
  const fleet = new Fleet(stage, slipway);
  const warm = await fleet.provision(1); // the watcher runs from here on
  await fleet.allReady(warm);
  // The watcher is alert now, and half a minute from here: as it is whenever an instance comes up.
  const watcherPace = await heartbeatsPerSecond(slipway, times === 1 ? 7 : 25);
  const lives: Record<Step, Reading>[] = [];
  const heartbeats: number[] = [];
  for (let life = 0; life < times; life++) {
    const before = { heartbeats: await slipway.heartbeats(), at: Date.now() };
    const batch = await fleet.provision(1);
    await fleet.allReady(batch);
    const [refId = ''] = batch.refIds;
    const workflowId = instanceWorkflowId(refId);
    const ready = await readAtRest(stage.temporal, workflowId);
    const seconds = (Date.now() - before.at) / 1_000;
    heartbeats.push((await slipway.heartbeats()) - before.heartbeats - seconds * watcherPace);
    const { client } = slipway;
    await client.stop(refId, {});
    await client.waitFor(refId, 'stopped');
    const stopped = await readAtRest(stage.temporal, workflowId);
    await client.start(refId, {});
    await client.waitFor(refId, 'ready');
    const started = await readAtRest(stage.temporal, workflowId);
    await fleet.end(batch);
    const over = await readAtRest(stage.temporal, workflowId);
    lives.push({
      provision: ready,
      stop: since(ready, stopped),
      start: since(stopped, started),
      terminate: since(started, over),
    });
  }
  await slipway.stop();
  const middle = (step: Step, what: keyof Reading) => median(lives.map((life) => life[step][what]));
  const of = (step: Step): Reading => ({
    events: middle(step, 'events'),
    actions: middle(step, 'actions'),
    bytes: middle(step, 'bytes'),
  });
  return {
    steps: { provision: of('provision'), stop: of('stop'), start: of('start'), terminate: of('terminate') },
    heartbeats: Math.max(0, heartbeats.reduce((sum, one) => sum + one, 0) / times),
  };
}

/** With nothing under way all of them are the watcher's. */
async function heartbeatsPerSecond(slipway: Slipway, seconds: number): Promise<number> {
  const before = await slipway.heartbeats();
  await sleep(seconds * 1_000);
  return ((await slipway.heartbeats()) - before) / seconds;
}

/** Some instances at rest, and a window in which nobody wants anything. */
async function idleCost(stage: Stage, cloud: BenchCloud, run: Run): Promise<Idle> {
  const instances = run.given.instances ?? (run.quick ? 3 : 100);
  const slipway = await stage.startSlipway({ cloud, metrics: true });
  const fleet = new Fleet(stage, slipway);
  const batch = await fleet.provision(instances);
  await fleet.allReady(batch);
  await sleep(run.quick ? 1_000 : 45_000); // a watcher stays alert for half a minute after the last create
  const watcher = watchWorkflowId(slipway.cloudCredRefId);
  const { raw } = await stage.temporal.workflow.getHandle(watcher).describe();
  const heartbeatTimeout = Number(raw.pendingActivities?.[0]?.activityOptions?.heartbeatTimeout?.seconds ?? 0);
  const look = async () => {
    const lives = await each(batch.refIds, (refId) => read(stage.temporal, instanceWorkflowId(refId)));
    return {
      at: Date.now(),
      own: lives.reduce((sum, { actions }) => sum + actions, 0),
      account: (await read(stage.temporal, watcher)).actions,
      heartbeats: await slipway.heartbeats(),
    };
  };
  const before = await look();
  await sleep(run.quick ? 8_000 : 300_000);
  const after = await look();
  await slipway.stop();
  const idle = {
    instances,
    seconds: (after.at - before.at) / 1_000,
    own: after.own - before.own,
    account: after.account - before.account,
    heartbeats: after.heartbeats - before.heartbeats,
    heartbeatTimeout,
  };
  run.say(
    `${instances} idle for ${idle.seconds.toFixed(0)} s: ${idle.own} actions of their own, ${idle.account} of the account, ${idle.heartbeats} heartbeats (timeout ${heartbeatTimeout} s)`,
  );
  return idle;
}

function report(plain: Costs, journaled: Costs, idle: Idle, times: number) {
  const perDay = (actions: number) => (actions * DAY_S) / idle.seconds;
  // The window is shorter than the pause between two of a settled watcher's heartbeats.
  const heartbeats = Math.max(perDay(idle.heartbeats), DAY_S / (0.8 * idle.heartbeatTimeout));
  const perAccount = perDay(idle.account) + heartbeats;
  const share = (perDay(idle.own) + perAccount) / idle.instances;
  const sides = [
    { name: '', costs: plain },
    { name: ' with a journal', costs: journaled },
  ];
  const panels: Panel[] = [
    { title: 'History events', unit: 'events', pick: 'events' as const, divisor: 1 },
    { title: 'Temporal actions', unit: 'actions', pick: 'actions' as const, divisor: 1 },
    { title: 'Bytes of history', unit: 'KiB', pick: 'bytes' as const, divisor: 1024 },
  ].map(({ title, unit, pick, divisor }) => ({
    title: `${title}, per step`,
    unit,
    kind: 'bars' as const,
    x: [...STEPS],
    series: sides.map(({ name, costs }) => ({
      name: name === '' ? 'without a journal' : name.trim(),
      values: STEPS.map(
        (step) =>
          (costs.steps[step][pick] + (pick === 'actions' && step === 'provision' ? costs.heartbeats : 0)) / divisor,
      ),
    })),
    targets: [{ label: `provision ≤ ${TARGETS[pick]}`, value: TARGETS[pick] }],
  }));
  return {
    parameters: {
      lives: times,
      'boot ms': BOOT_MS,
      'poll interval ms': POLL_MS,
      'idle instances': idle.instances,
      'idle window s': Math.round(idle.seconds),
    },
    measures: [
      ...sides.flatMap(({ name, costs }) => STEPS.flatMap((step) => stepMeasures(step, name, costs))),
      toMeasure('idle-own', 'idle: actions of its own, per instance and day', perDay(idle.own) / idle.instances, ''),
      toMeasure('idle-account', 'idle: actions of its account’s watcher, per account and day', perAccount, ''),
      toMeasure('idle-all', `idle: all told per instance and day, ${idle.instances} in the account`, share, '', {
        atMost: IDLE_TARGET,
      }),
    ],
    panels,
    notes: [
      'Actions as Temporal Cloud bills them (bench/history/actions.ts): starts, signals, updates, timers, upserts and each attempt of an activity from the history; heartbeats as the worker’s own metrics count the requests, less those of the watcher, whose pace is measured while nothing else goes on.',
      `Idle: instances at rest, the watcher settled; actions in a window with no orders, from all histories, scaled to a day, and the watcher’s heartbeats: ${idle.heartbeats} in the window, or one in four fifths of their timeout of ${idle.heartbeatTimeout} s, whichever is more. The watcher’s share per instance falls with the number of instances in its account.`,
    ],
  };
}

function stepMeasures(step: Step, side: string, { steps, heartbeats }: Costs): Measure[] {
  const slug = `${step}${side.replace(/\W+/g, '-')}`;
  const judged = (limit: number): Target | undefined => (step === 'provision' ? { atMost: limit } : undefined);
  const { events, actions, bytes } = steps[step];
  const beats = step === 'provision' ? heartbeats : 0;
  const how = step === 'provision' ? `, ${beats.toFixed(1)} of them heartbeats` : '';
  return [
    toMeasure(`${slug}-events`, `${step}${side}: history events`, events, '', judged(TARGETS.events)),
    toMeasure(`${slug}-actions`, `${step}${side}: actions${how}`, actions + beats, '', judged(TARGETS.actions)),
    toMeasure(`${slug}-bytes`, `${step}${side}: history`, bytes / 1024, 'KiB', judged(TARGETS.bytes)),
  ];
}
