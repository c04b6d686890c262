import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { instanceWorkflowId, toIsoTime } from '../../domain/ids.js';
import type { Observation } from '../../domain/instance/index.js';
import type { CloudInstance, Provider } from '../../domain/provider.js';
import { toObservation } from '../observation.js';
import type { Listing } from '../shared-listing.js';
import type { Memory, Seen } from './memory.js';
import { askForOwners, isAsBelieved, type Owners, restingOf } from './owners.js';
import type { Strays } from './strays.js';

/** Two complete listings without it: then its entity is told, and makes sure with a get. */
const ABSENCES = 2;
const SIGNALS_AT_ONCE = 20;

export interface TellingOptions {
  client: Client;
  provider: Provider;
  logger: Logger;
  /** How long a machine may boot untold before somebody is asked for it, in ms. */
  graceMs: number;
}

/** Holds each listing of an account against what its entities were told, and tells them what is new. */
export class Telling {
  private readonly queue = new PQueue({ concurrency: SIGNALS_AT_ONCE });
  /** From visibility, just asked; until the listing after it was compared. */
  private owners: Owners | undefined;

  constructor(
    private readonly options: TellingOptions,
    private readonly memory: Memory,
    private readonly strays: Strays,
  ) {}

  /**
   * A workflow that was ended by force says nothing, and its machine does not change. So whoever visibility does not show
   * is told anew: it lags, but only a signal that reaches nobody makes a stray. Whoever rests is expected in the listing
   * that follows.
   */
  async askForOwners(): Promise<void> {
    const { client, logger, provider } = this.options;
    this.memory.ownersAskedAt = Date.now();
    this.owners = await askForOwners(client, logger, provider.cloudCredRefId);
    if (!this.owners) return;
    for (const refId of restingOf(this.owners)) this.memory.unseen.add(refId);
    for (const known of this.memory.seen.values()) if (!this.owners.has(known.refId)) known.told = undefined;
  }

  /** Is something missing that the next listing decides about? */
  get hasAbsences(): boolean {
    for (const { absences } of this.memory.seen.values()) if (absences > 0) return true;
    return false;
  }

  async compare({ instances, startedAt }: Listing, signal: AbortSignal): Promise<void> {
    this.memory.listings += 1;
    for (const instance of instances) if (instance.refId) this.compareOne(instance, instance.refId, startedAt, signal);
    for (const [cloudId, known] of this.memory.seen) {
      if (known.listing !== this.memory.listings) this.notListed(cloudId, known, startedAt);
    }
    for (const refId of this.memory.unseen) {
      this.later(async () => {
        const outcome = await this.signal(refId, 'missing', { at: toIsoTime(startedAt) });
        if (outcome !== 'failed') this.memory.unseen.delete(refId);
      });
    }
    await this.queue.onIdle();
    this.owners = undefined; // from here on our own memory is newer
  }

  private compareOne(instance: CloudInstance, refId: string, at: number, signal: AbortSignal): void {
    const { cloudId, status } = instance;
    const { seen, unseen, listings: listing } = this.memory;
    unseen.delete(refId);
    const known = seen.get(cloudId);
    if (known) {
      known.absences = 0;
      known.listing = listing;
    }
    if (known && isAsTold(known.told, instance)) known.told = instance; // the older one can be let go
    if (known?.told === instance && !this.strays.isDue(cloudId) && !this.isOverdue(known)) return;
    if (!known && (status === 'pending' || isAsBelieved(this.owners, refId, status))) {
      const untoldSince = status === 'pending' ? Date.now() : undefined;
      seen.set(cloudId, { refId, told: instance, absences: 0, listing, untoldSince });
      return;
    }
    this.later(async () => {
      const { cloudCredRefId } = this.options.provider;
      const outcome = await this.signal(refId, 'observed', toObservation(instance, at, cloudCredRefId));
      if (outcome !== 'failed') seen.set(cloudId, { refId, told: instance, absences: 0, listing });
      if (outcome === 'told') await this.strays.forget(cloudId);
      if (outcome === 'nobody') await this.strays.lookInto(instance, signal);
    });
  }

  private notListed(cloudId: string, known: Seen, at: number): void {
    known.absences += 1;
    if (known.absences < ABSENCES) return;
    const gone: Observation = { cloudId, at: toIsoTime(at), status: 'absent', message: `in ${ABSENCES} listings` };
    this.later(async () => {
      if ((await this.signal(known.refId, 'observed', gone)) === 'failed') return;
      await this.strays.forget(cloudId);
      this.memory.seen.delete(cloudId);
    });
  }

  /** What fails waits for the next listing, which asks anew: a rejection that nobody awaits would end the whole worker. */
  private later(work: () => Promise<void>): void {
    void this.queue.add(async () => {
      try {
        await work();
      } catch (error) {
        const { logger, provider } = this.options;
        const { cloudCredRefId } = provider;
        logger.warn({ cloudCredRefId, err: error }, 'A listing could not be followed up; the next one is');
      }
    });
  }

  private async signal(
    refId: string,
    name: 'observed' | 'missing',
    about: object,
  ): Promise<'told' | 'nobody' | 'failed'> {
    const { client, logger } = this.options;
    try {
      await client.workflow.getHandle(instanceWorkflowId(refId)).signal(name, about);
      return 'told';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'nobody';
      logger.warn({ refId, err: error }, 'An observation could not be delivered; it will be sent again');
      return 'failed';
    }
  }

  /** Booting for longer than a stray's grace, and nobody was told: it may be one. */
  private isOverdue({ untoldSince }: Seen): boolean {
    return untoldSince !== undefined && Date.now() - untoldSince > this.options.graceMs;
  }
}

/** What makes a difference to an entity. */
const TOLD = ['status', 'statusMessage', 'publicAddress', 'privateAddress', 'sshPort'] as const;

/** Asked of every machine with every listing. */
function isAsTold(told: CloudInstance | undefined, now: CloudInstance): boolean {
  if (!told || TOLD.some((field) => told[field] !== now[field])) return false;
  if (!told.portMappings && !now.portMappings) return true;
  return JSON.stringify(told.portMappings) === JSON.stringify(now.portMappings);
}
