import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import type { FailureFact } from '../../domain/errors.js';
import { type CloudId, instanceWorkflowId, toEpochMs, toIsoTime, watchWorkflowId } from '../../domain/ids.js';
import { type CloudInstance, offerOf, type Provider } from '../../domain/provider.js';
import type { StrayDebt } from '../../domain/stray-debt.js';
import { toFact } from '../failure.js';
import { isLive } from '../observation.js';

/** A live machine with our identity that no open workflow claims. Times are epoch ms. */
export interface Stray {
  since: number;
  /** Not looked into before. */
  dueAt: number;
  /** Between the last look and the next, in ms. */
  gapMs: number;
  /** It is being ended: what the account's watch was told of it. */
  debt?: StrayDebt;
}

export type StrayMemory = Map<CloudId, Stray>;

/** Between two orders to end one, in ms; it doubles, as for an instance's own machine. */
const END_GAP_MS = { first: 1_000, ceiling: 300_000 };
/** One that is left alone is spoken of this often, in ms. */
const REMINDER_MS = 3_600_000;

export interface StrayOptions {
  client: Client;
  provider: Provider;
  logger: Logger;
  /** What to do with one that no workflow here ever knew. */
  policy: 'report' | 'terminate';
  /** How long it must have been without an owner, in ms. */
  graceMs: number;
  /** What is looked into no more often needs no alert watch, in ms. */
  restfulGapMs: number;
}

/**
 * The account's machines without an owner. If its workflow ran here and is over, the machine arrived late and is ours to
 * end. If no workflow here ever had the refId, the account may be shared with another Slipway: policy decides.
 */
export class Strays {
  constructor(
    private readonly options: StrayOptions,
    private readonly memory: StrayMemory,
  ) {}

  /** Those that the account's watch still speaks of: this process may have met none of them. */
  recall(debts: readonly StrayDebt[]): void {
    for (const debt of debts) {
      const since = toEpochMs(debt.since);
      if (!this.memory.has(debt.cloudId)) this.memory.set(debt.cloudId, { since, dueAt: 0, gapMs: 0, debt });
    }
  }

  get isEmpty(): boolean {
    return this.memory.size === 0;
  }

  /** Is there one that will not wait for a settled watch? */
  get isRestless(): boolean {
    for (const { gapMs } of this.memory.values()) if (gapMs < this.options.restfulGapMs) return true;
    return false;
  }

  isDue(cloudId: CloudId): boolean {
    const stray = this.memory.get(cloudId);
    return stray !== undefined && Date.now() >= stray.dueAt;
  }

  /** It is gone, or has an owner. */
  async forget(cloudId: CloudId): Promise<void> {
    if (this.memory.get(cloudId)?.debt) await this.tellWatch('strayGone', { cloudId });
    this.memory.delete(cloudId);
  }

  /** Nobody hears of this machine: once the grace is over and its turn has come, what is to be done is done. */
  async lookInto(instance: CloudInstance, signal: AbortSignal): Promise<void> {
    const { cloudId, refId, status, location } = instance;
    const { provider, policy, graceMs, logger } = this.options;
    const since = Date.now();
    const stray = this.memory.get(cloudId) ?? { since, dueAt: since + graceMs, gapMs: 0 };
    const mayBill = isLive(instance) || status === 'failed' || (stray.debt && status !== 'terminated');
    if (!mayBill || !refId) return await this.forget(cloudId);
    this.memory.set(cloudId, stray);
    if (Date.now() < stray.dueAt) return;

    const owner = await this.ownerOf(refId);
    if (owner === 'open') return await this.forget(cloudId); // asked for just now: its create will find it, and adopt it
    const fields = { cloudCredRefId: provider.cloudCredRefId, cloudId, refId, status, location };
    if (owner === 'unknown' && policy === 'report') {
      this.lookAgainAfter(stray, REMINDER_MS);
      logger.warn(fields, 'A machine carries our identity and no workflow here knows it; left alone by policy');
      return;
    }
    this.lookAgainAfter(stray, Math.min(END_GAP_MS.ceiling, Math.max(END_GAP_MS.first, 2 * stray.gapMs)));
    if (status === 'terminating') return; // on its way out: it needs no second order
    await this.owe(instance, stray);
    logger.warn(fields, 'A machine without an owner is being ended');
    try {
      await provider.terminateInstance(cloudId, location, signal);
    } catch (error) {
      const failure = toFact(error);
      await this.owe(instance, stray, failure);
      logger.warn({ ...fields, failure }, 'A machine without an owner could not be ended yet');
    }
  }

  private lookAgainAfter(stray: Stray, gapMs: number): void {
    stray.gapMs = gapMs;
    stray.dueAt = Date.now() + gapMs;
  }

  /** Told once, and again with another refusal: the account's watch outlives this process, and `slipway debt` asks it. */
  private async owe(instance: CloudInstance, stray: Stray, failure?: FailureFact): Promise<void> {
    const { cloudId, refId, subLocation, pricePerHour } = instance;
    const known = stray.debt;
    if (!refId || (known && (!failure || known.failure?.message === failure.message))) return;
    const debt: StrayDebt = {
      refId,
      cloudId,
      cause: 'stray',
      since: known?.since ?? toIsoTime(stray.since),
      offer: { ...offerOf(instance, this.options.provider.cloudCredRefId), ...(subLocation && { subLocation }) },
      ...(pricePerHour && { pricePerHour }),
      ...(failure && { failure }),
    };
    await this.tellWatch('strayOwed', debt);
    stray.debt = debt;
  }

  private async tellWatch(signal: 'strayOwed' | 'strayGone', about: object): Promise<void> {
    const { client, provider } = this.options;
    try {
      await client.workflow.getHandle(watchWorkflowId(provider.cloudCredRefId)).signal(signal, about);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error; // ended by force: its successor begins with nothing owed
    }
  }

  private async ownerOf(refId: string): Promise<'open' | 'over' | 'unknown'> {
    try {
      const { status } = await this.options.client.workflow.getHandle(instanceWorkflowId(refId)).describe();
      return status.name === 'RUNNING' ? 'open' : 'over';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'unknown';
      throw error;
    }
  }
}
