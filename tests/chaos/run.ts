import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import PQueue from 'p-queue';
import type { SlipwayClient } from '../../src/client/client.js';
import { SlipwayError } from '../../src/client/errors.js';
import { type InstanceRequestInput, type Phase, requestIssues } from '../../src/domain/instance/index.js';
import { migrateJournal, openJournal } from '../../src/journal/index.js';
import { DEFAULT_ACCOUNT, type LedgerLine } from '../../src/simcloud/index.js';
import { type PostgresServer, startPostgres } from '../journal/support/postgres.js';
import { capabilitiesOf, dialectOf } from '../support/dialects.js';
import { openTemporal, openTopology, type ProcessTopology, type WorkerProcess } from '../support/processes.js';
import { userKey } from '../support/slipway.js';
import { type ChaosPlan, type InstancePlan, LISTING_LAG_MS, type PlannedStep, planChaos, type Victim } from './plan.js';

export interface ChaosOptions {
  /** Whose dialect the cloud speaks. Default: its own. */
  provider?: string;
  instances: number;
  seed: string;
  cliPath: string;
  report?: (line: string) => void;
}

/** What a run ends with. All but the first three must be 0. */
export interface ChaosReport {
  seed: string;
  instances: number;
  /** Machines ever created. */
  machines: number;
  /** Machines that came to be long after their create was given up, by the cloud's fault. Each must have been ended. */
  lateArrivals: number;
  /** Machines beyond the first that we bought while another of the same refId lived. */
  doubled: number;
  /** Live at the end, when every instance is over. */
  leaked: number;
  /** Requests that were accepted, and of which nothing is known; or events missing from a life. */
  lost: number;
  /** Instances that did not come to an end. */
  stuck: number;
  /** Instances whose facts in the journal are not their workflow's own, or whose read models are not the fold of them. */
  misjournaled: number;
  details: string[];
  kills: Record<Victim, number>;
  calls: Record<string, number>;
  /** How instances stood when they were told to end. */
  endedFrom: Record<string, number>;
  seconds: number;
  /** The longest time in which no instance changed its phase, in seconds, until the last one ended. */
  longestStillness: number;
}

/** After the last order: how long everything may take to come to rest, in ms. Longer than the longest gap of a retry. */
const REST_MS = 420_000;
/** Longer than anything is down: a call that is not answered by then is worth a line. In ms. */
const UNUSUAL_MS = 60_000;
const SETTLED: ReadonlySet<Phase> = new Set<Phase>(['ready', 'stopped', 'parked', 'terminated']);

export async function runChaos({
  provider = 'sim',
  instances,
  seed,
  cliPath,
  report = () => undefined,
}: ChaosOptions): Promise<ChaosReport> {
  const startedAt = Date.now();
  const { credential, refIdTag, toType, prepare } = dialectOf(provider);
  const temporal = await openTemporal(cliPath);
  const database = await startPostgres();
  const journalUrl = await database.newSchema();
  await migrateJournal(journalUrl);
  const topology = await openTopology({
    address: temporal.address,
    simcloud: { seed, timing: { bootMs: 400, listingLagMs: 300, forgetAfterMs: 2_000 }, pageSize: 50, refIdTag },
    credential: (cloud) => ({
      provider,
      ...credential(cloud, DEFAULT_ACCOUNT.apiKey),
      pollIntervalMs: 250,
      listingLagMs: LISTING_LAG_MS,
    }),
    workerEnv: {
      SLIPWAY_JOURNAL_URL: journalUrl,
      SLIPWAY_TEST_STRAY_GRACE_MS: '2000',
      SLIPWAY_TEST_SETTLED_INTERVAL_MS: '2000',
    },
  });
  try {
    await prepare?.(topology.cloud, DEFAULT_ACCOUNT.apiKey);
    const plan = planChaos(seed, instances, topology.cloudCredRefId, {
      capabilities: capabilitiesOf(provider),
      toType,
    });
    await topology.cloud.control.setSchedule(plan.faults);
    const run = new Run(topology, plan, report, refIdTag);
    const workers = { running: await topology.startWorker() };
    const killing = kill(plan, { topology, temporal, database, workers }, report);
    await run.drive();
    const kills = await killing;
    report('all orders are given; the cloud behaves from now on, until everything is at rest');
    await topology.cloud.control.setSchedule(null);
    await topology.cloud.control.removeFaults();
    await run.rest(REST_MS);
    const result = await run.report(kills, journalUrl, startedAt);
    await workers.running.stop();
    return result;
  } catch (error) {
    report(`the run itself failed: ${error instanceof Error ? error.stack : error}`); // closing may hide it
    throw error;
  } finally {
    await topology.close();
    await temporal.close();
    await database.stop();
  }
}

interface Stage {
  topology: ProcessTopology;
  temporal: Awaited<ReturnType<typeof openTemporal>>;
  database: PostgresServer;
  workers: { running: WorkerProcess };
}

async function kill(plan: ChaosPlan, stage: Stage, report: (line: string) => void) {
  const { topology, temporal, database, workers } = stage;
  const startedAt = Date.now();
  const kills = { worker: 0, temporal: 0, journal: 0 };
  for (const { afterMs, victim, downForMs } of plan.kills) {
    await sleep(Math.max(0, startedAt + afterMs - Date.now()));
    report(`kill -9 ${victim}, down for ${downForMs} ms`);
    kills[victim] += 1;
    if (victim === 'worker') {
      await workers.running.kill();
      await sleep(downForMs);
      workers.running = await topology.startWorker();
    } else {
      const server = victim === 'temporal' ? temporal : database;
      await server.kill();
      await sleep(downForMs);
      await server.restart();
      report(`${victim} is back`);
    }
  }
  return kills;
}

/** Drives every instance through its plan, and watches all of them through one listing. */
class Run {
  private readonly phases = new Map<string, Phase | 'over'>();
  private readonly accepted = new Set<string>();
  private readonly endedFrom: Record<string, number> = {};
  private lastProgress = Date.now();
  private longestStillness = 0;
  private isOver = false;

  constructor(
    private readonly topology: ProcessTopology,
    private readonly plan: ChaosPlan,
    private readonly say: (line: string) => void,
    private readonly refIdTag: string,
  ) {}

  async drive(): Promise<void> {
    const watching = this.watch();
    const startedAt = Date.now();
    await Promise.all(
      this.plan.instances.map(async (instance) => {
        await sleep(Math.max(0, startedAt + instance.startAfterMs - Date.now()));
        await this.live(instance);
      }),
    );
    this.isOver = true;
    await watching;
  }

  private async live({ refId, request, steps }: InstancePlan): Promise<void> {
    const input: InstanceRequestInput = { ...request, publicKey: userKey.publicKey };
    const issues = requestIssues(input);
    if (issues.length > 0) throw new Error(`the plan is wrong: ${JSON.stringify(issues)}`);
    await this.persistently(`provision ${refId}`, () => this.topology.client.provision(input));
    this.accepted.add(refId);
    for (const step of steps) await this.take(refId, step);
  }

  private async take(refId: string, step: PlannedStep): Promise<void> {
    const { client } = this.topology;
    switch (step.step) {
      case 'wait':
        return await sleep(step.ms);
      case 'settle':
        return await this.settled(refId);
      case 'setFirewallRules': {
        const firewallRules = { ingressRules: [{ fromPort: step.port, toPort: step.port, ipRanges: [] }] };
        return await this.order(`rules of ${refId}`, () =>
          client.setFirewallRules(refId, { requestId: step.requestId, firewallRules }),
        );
      }
      case 'updateTags':
        return await this.order(`tags of ${refId}`, () =>
          client.updateTags(refId, { requestId: step.requestId, tags: { round: step.value } }),
        );
      case 'terminate': {
        const from = this.phases.get(refId) ?? 'unseen';
        this.endedFrom[from] = (this.endedFrom[from] ?? 0) + 1;
        return await this.order(`terminate ${refId}`, () => client.terminate(refId, { requestId: step.requestId }));
      }
      default:
        return await this.order(`${step.step} ${refId}`, () =>
          client.command(refId, step.step, { requestId: step.requestId }),
        );
    }
  }

  /** A refusal is an answer: the plan does not know in which phase its orders arrive. */
  private async order(what: string, call: () => Promise<unknown>): Promise<void> {
    await this.persistently(what, async () => {
      try {
        await call();
      } catch (error) {
        if (
          !(error instanceof SlipwayError) ||
          !['WrongPhase', 'NotSupported', 'InvalidRequest'].includes(error.kind)
        ) {
          throw error;
        }
      }
    });
  }

  /** While something is killed nobody answers: the same call, with the same requestId, is made again. */
  private async persistently(what: string, call: () => Promise<unknown>): Promise<void> {
    const startedAt = Date.now();
    for (let warned = false; ; ) {
      try {
        await call();
        if (warned) this.say(`${what} was answered after ${Math.round((Date.now() - startedAt) / 1000)} s`);
        return;
      } catch (error) {
        const since = Date.now() - startedAt;
        if (since > REST_MS) throw new Error(`${what} was never answered`, { cause: error });
        if (since > UNUSUAL_MS && !warned) this.say(`${what} has had no answer for a minute: ${error}`);
        warned ||= since > UNUSUAL_MS;
        await sleep(300);
      }
    }
  }

  private async settled(refId: string): Promise<void> {
    const giveUpAt = Date.now() + REST_MS;
    const isSettled = (phase: Phase | 'over' | undefined) => phase === 'over' || (phase && SETTLED.has(phase));
    while (!isSettled(this.phases.get(refId)) && Date.now() < giveUpAt) await sleep(250);
  }

  /**
   * One listing for all: asking each instance would load the worker more than its work does. A dev server has one
   * connection to its database, and a listing of a thousand holds it: so it may have a fifth of the time, not more.
   */
  private async watch(): Promise<void> {
    while (!this.isOver) {
      const startedAt = Date.now();
      await this.look();
      await sleep(Math.max(500, 4 * (Date.now() - startedAt)));
    }
  }

  private async look(): Promise<void> {
    try {
      const rows = await this.topology.client.list({ all: true, limit: 100_000 });
      for (const { refId, phase, open } of rows) {
        const now = open ? phase : 'over';
        if (now === undefined || this.phases.get(refId) === now) continue;
        this.phases.set(refId, now);
        this.lastProgress = Date.now();
      }
      this.longestStillness = Math.max(this.longestStillness, Date.now() - this.lastProgress);
    } catch {
      // Temporal is down for now
    }
  }

  /** Waits until every instance is over, and the cloud holds nothing alive. */
  async rest(withinMs: number): Promise<void> {
    const giveUpAt = Date.now() + withinMs;
    for (let turn = 0; Date.now() < giveUpAt; turn++) {
      await this.look();
      const open = this.plan.instances.filter(({ refId }) => this.phases.get(refId) !== 'over').length;
      const { running } = await this.topology.cloud.control.report();
      if (turn % 10 === 0) this.say(`${open} instances open, ${running} machines alive`);
      if (open === 0 && running === 0) return;
      await sleep(1_000);
    }
  }

  async report(kills: ChaosReport['kills'], journalUrl: string, startedAt: number): Promise<ChaosReport> {
    const { cloud } = this.topology;
    const ledger = await cloud.control.ledger();
    const { calls } = await cloud.control.report();
    const { refIdTag } = this;
    const doubled = findDoubled(ledger, refIdTag);
    const leaked = ledger.filter(({ isLive }) => isLive);
    const stuck = this.plan.instances.filter(({ refId }) => this.phases.get(refId) !== 'over');
    const lost = await this.findLost();
    const misjournaled = await this.findMisjournaled(journalUrl);
    return {
      seed: this.plan.seed,
      instances: this.plan.instances.length,
      machines: ledger.length,
      lateArrivals: ledger.filter(({ fault }) => fault === 'late-work').length,
      doubled: doubled.length,
      leaked: leaked.length,
      lost: lost.length,
      stuck: stuck.length,
      misjournaled: misjournaled.length,
      details: [
        ...misjournaled.map((what) => `misjournaled: ${what}`),
        ...doubled.map(({ id, tags }) => `doubled: ${id} of ${tags[refIdTag]}`),
        ...leaked.map(({ id, tags, fault }) => `leaked: ${id} of ${tags[refIdTag]}${fault ? ` (${fault})` : ''}`),
        ...lost.map((what) => `lost: ${what}`),
        ...stuck.map(({ refId }) => `stuck: ${refId} in ${this.phases.get(refId) ?? 'no phase'}`),
      ],
      kills,
      calls: calls.byOperation,
      endedFrom: this.endedFrom,
      seconds: Math.round((Date.now() - startedAt) / 1000),
      longestStillness: Math.round(this.longestStillness / 1000),
    };
  }

  /** A life that is over is replayed to be read: on a busy machine longer than one call waits. */
  private async factsOf(refId: string): ReturnType<SlipwayClient['events']> {
    const giveUpAt = Date.now() + REST_MS;
    for (;;) {
      try {
        return await this.topology.client.events(refId);
      } catch (error) {
        if (!(error instanceof SlipwayError) || error.kind !== 'Unreachable' || Date.now() > giveUpAt) throw error;
      }
    }
  }

  /** Facts that the journal lacks or has otherwise, and read models that are not what a rebuild would write. */
  private async findMisjournaled(url: string): Promise<string[]> {
    const journal = await openJournal(url);
    try {
      const { differences } = await journal.verify();
      const queue = new PQueue({ concurrency: 10 });
      const compared = await queue.addAll(
        this.plan.instances.map(({ refId }) => async () => {
          const { events } = await this.factsOf(refId);
          const kept = (await journal.read(refId)).map(({ event }) => event);
          return isDeepStrictEqual(kept, events)
            ? []
            : [`${refId}: ${kept.length} of ${events.length} facts, or others`];
        }),
      );
      return [...differences.map((difference) => JSON.stringify(difference)), ...compared.flat()];
    } finally {
      await journal.close();
    }
  }

  /** An accepted request that has no workflow, or a life with a gap in its facts. */
  private async findLost(): Promise<string[]> {
    const lost: string[] = [];
    const sample = this.plan.instances.filter((_, index) => index % Math.ceil(this.plan.instances.length / 100) === 0);
    for (const { refId } of this.plan.instances) {
      if (this.accepted.has(refId) && !this.phases.has(refId)) lost.push(`${refId} was accepted, and is not known`);
    }
    for (const { refId } of sample) {
      const { events, firstSeq } = await this.factsOf(refId);
      if (events.some(({ seq }, index) => seq !== firstSeq + index)) lost.push(`${refId} has a gap in its events`);
    }
    return lost;
  }
}

/**
 * Machines that we bought while another of the same refId lived. One that the cloud brought forth long after its create
 * was given up cannot be prevented, only ended: it is counted as a late arrival, and if it stays, as leaked.
 */
export function findDoubled(ledger: readonly LedgerLine[], refIdTag = 'refId'): LedgerLine[] {
  return ledger.filter((machine) => {
    if (machine.fault === 'late-work') return false;
    return ledger.some((other) => {
      if (other.id === machine.id || other.tags[refIdTag] !== machine.tags[refIdTag] || other.fault === 'late-work')
        return false;
      const livedThen =
        other.createdAt <= machine.createdAt && (other.liveUntil ?? Number.POSITIVE_INFINITY) > machine.createdAt;
      return livedThen && (other.createdAt < machine.createdAt || other.id < machine.id);
    });
  });
}
