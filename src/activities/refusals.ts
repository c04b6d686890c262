import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import {
  type CloudCredRefId,
  INSTANCE_WORKFLOW_PREFIX,
  instanceWorkflowId,
  type OfferId,
  watchWorkflowId,
} from '../domain/ids.js';
import { spread } from '../domain/placement/jitter.js';
import { claimProbe, isBlocked, PROBE_MS, type Refusals, refuse, stands } from '../domain/placement/refusals.js';
import { SEARCH_ATTRIBUTES } from '../domain/search-attributes.js';

/** How old the memory of this process may be before the durable one is asked, in ms. */
const REFRESH_MS = 10_000;
/** How long the others wait before they ask for the probe's result, in ms; each somewhat longer. */
const PROBE_WAIT_MS = 5_000;
/** Those who wait for one moment do not come as one: each comes later by up to this part of its wait. */
const SPREAD = { share: 0.2, leastMs: 5_000 };
/** How many waiters are woken when stock returns: what is left for the next ones, the next success tells. */
const WOKEN_AT_ONCE = 50;

/** What a request may do with an offer, as far as others have found out. */
export type Admission =
  | { admission: 'go' }
  /** Refused to others a short while ago: nobody asks the provider before `untilMs` (epoch). */
  | { admission: 'blocked'; untilMs: number };

/**
 * What was sold out, remembered for everybody: held by the account's watch workflow, so that it outlives any process,
 * and cached here. While an offer is blocked nobody asks for it. When its time is over one request probes; the others
 * wait for its result. On the happy path this costs one query per account in ten seconds.
 */
export class RefusalMemory {
  private readonly accounts = new Map<CloudCredRefId, { at: number; refusals: Refusals }>();
  /** Since when the durable list has let nobody through because it did not answer, epoch ms. */
  private readonly unanswered = new Map<OfferId, number>();

  constructor(
    private readonly client: Client,
    private readonly logger: Logger,
  ) {}

  async admit(cloudCredRefId: CloudCredRefId, offer: OfferId, refId: string): Promise<Admission> {
    const { refusals } = await this.load(cloudCredRefId);
    const known = refusals[offer];
    const now = Date.now();
    if (!known) return { admission: 'go' };
    const blockedUntil = (untilMs: number): Admission => {
      const most = Math.max(SPREAD.leastMs, SPREAD.share * (untilMs - now));
      return { admission: 'blocked', untilMs: untilMs + spread(most, `${refId}#${untilMs}`) };
    };
    if (isBlocked(known, now)) return blockedUntil(known.untilMs);
    const waits = blockedUntil(now + PROBE_WAIT_MS);
    if (!claimProbe(known, refId, now)) return waits;
    known.probe = { refId, atMs: now };
    return (await this.claim(cloudCredRefId, offer, refId)) ? { admission: 'go' } : waits;
  }

  /** The provider has none. `isFirst`: nothing else of the account is remembered for sold out. */
  async refused(cloudCredRefId: CloudCredRefId, offer: OfferId): Promise<{ isFirst: boolean }> {
    const account = await this.load(cloudCredRefId);
    const isFirst = standingOf(account.refusals).length === 0;
    const entry = refuse(account.refusals[offer], offer, Date.now());
    account.refusals[offer] = entry;
    await this.tell(cloudCredRefId, 'refused', { offer, entry });
    return { isFirst };
  }

  /** The account's offers that were sold out when somebody last asked, within the last hour or so. */
  async standing(cloudCredRefId: CloudCredRefId): Promise<OfferId[]> {
    const { refusals } = await this.load(cloudCredRefId);
    return standingOf(refusals);
  }

  /**
   * The catalog has it again. That is a hint, no machine: the offer's time is over, so that one of those who wait may ask at
   * once. If it is given a machine, `open` tells the others; if not, the gap goes on growing from where it was.
   */
  async shown(cloudCredRefId: CloudCredRefId, offer: OfferId): Promise<void> {
    const { refusals } = await this.load(cloudCredRefId);
    const known = refusals[offer];
    if (!known) return;
    if (isBlocked(known, Date.now())) {
      const entry = { ...known, untilMs: Date.now() };
      refusals[offer] = entry;
      await this.tell(cloudCredRefId, 'refused', { offer, entry });
    }
    await this.wakeWaiters(cloudCredRefId, offer);
  }

  /** Anything but a refusal for lack of stock: the offer is open to all, and those who wait for it are woken. */
  async open(cloudCredRefId: CloudCredRefId, offer: OfferId, isStocked: boolean): Promise<void> {
    const { refusals } = await this.load(cloudCredRefId);
    const known = refusals[offer];
    if (!known) return;
    if (isStocked) delete refusals[offer];
    else delete known.probe; // the probe brought no answer: somebody else may try
    await this.tell(cloudCredRefId, isStocked ? 'stocked' : 'probeEnded', { offer });
    if (isStocked) await this.wakeWaiters(cloudCredRefId, offer);
  }

  private async load(cloudCredRefId: CloudCredRefId) {
    const known = this.accounts.get(cloudCredRefId);
    if (known && Date.now() - known.at < REFRESH_MS) return known;
    const account = { at: Date.now(), refusals: known?.refusals ?? {} };
    this.accounts.set(cloudCredRefId, account); // before the call: one question for all who come meanwhile
    try {
      const durable = await this.client.workflow.getHandle(watchWorkflowId(cloudCredRefId)).query<Refusals>('refusals');
      account.refusals = { ...durable };
    } catch {
      // Not there yet, or no answer: what this process knows will do.
    }
    return account;
  }

  private async claim(cloudCredRefId: CloudCredRefId, offer: OfferId, refId: string): Promise<boolean> {
    try {
      const handle = this.client.workflow.getHandle(watchWorkflowId(cloudCredRefId));
      const granted = await handle.executeUpdate<boolean, [{ offer: OfferId; refId: string }]>('claimProbe', {
        args: [{ offer, refId }],
      });
      this.unanswered.delete(offer);
      return granted;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return true; // nobody keeps the list: this process decides alone
      return this.goesAlone(offer);
    }
  }

  /** A list that does not answer may have let another through. Nobody waits for it for ever: one in a probe's time may go. */
  private goesAlone(offer: OfferId): boolean {
    const since = this.unanswered.get(offer) ?? Date.now();
    const isOver = Date.now() - since > PROBE_MS;
    this.unanswered.set(offer, isOver ? Date.now() : since);
    return isOver;
  }

  private async tell(cloudCredRefId: CloudCredRefId, signal: string, input: object): Promise<void> {
    try {
      await this.client.workflow.getHandle(watchWorkflowId(cloudCredRefId)).signal(signal, input);
    } catch (error) {
      this.logger.debug({ cloudCredRefId, signal, err: error }, 'A refusal could not be remembered for others');
    }
  }

  private async wakeWaiters(cloudCredRefId: CloudCredRefId, offer: OfferId): Promise<void> {
    const { phase, credential } = SEARCH_ATTRIBUTES;
    const query = `WorkflowType = 'instance' AND ExecutionStatus = 'Running' AND ${phase} = 'placing' AND ${credential} = '${cloudCredRefId}'`;
    try {
      let woken = 0;
      for await (const { workflowId } of this.client.workflow.list({ query })) {
        if (woken++ >= WOKEN_AT_ONCE) break;
        const refId = workflowId.slice(INSTANCE_WORKFLOW_PREFIX.length);
        await this.client.workflow.getHandle(instanceWorkflowId(refId)).signal('stocked', { offer });
      }
    } catch (error) {
      this.logger.debug({ cloudCredRefId, err: error }, 'Waiters could not be woken; they wake by themselves');
    }
  }
}

function standingOf(refusals: Refusals): OfferId[] {
  const now = Date.now();
  return Object.keys(refusals).filter((offer) => {
    const refusal = refusals[offer];
    return refusal !== undefined && stands(refusal, now);
  });
}
