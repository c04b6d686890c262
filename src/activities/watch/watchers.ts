import { type Client, defaultPayloadConverter } from '@temporalio/client';
import type { Logger } from 'pino';
import { type CloudCredRefId, watchWorkflowId } from '../../domain/ids.js';
import type { Watchfulness } from '../types.js';

/** The running watcher of one account, in this process. */
interface LocalWatcher {
  watchfulness: Watchfulness;
  lastWake: number;
  lastListing?: number;
  nudge?: () => void;
  /** Another has begun: this one ends, whether or not the server has told it so. */
  isRelieved?: boolean;
}

/** Waking a watcher in another process is a signal: one per account in this time is enough, it stays alert meanwhile. */
const REMOTE_WAKE_GAP_MS = 5_000;
/** How long an answer about a remote watcher's health is believed, in ms. */
const REMOTE_HEALTH_MS = 2_000;

/**
 * The watchers that run in this process, and how to reach those that do not. One that is alert here is nudged in memory,
 * which costs nothing; one elsewhere, settled or asleep, is woken by a signal to its workflow.
 */
export class WatcherRegistry {
  private readonly local = new Map<CloudCredRefId, LocalWatcher>();
  private readonly remoteWakes = new Map<CloudCredRefId, number>();
  private readonly remoteHealth = new Map<CloudCredRefId, { at: number; listed: Promise<number | undefined> }>();

  constructor(
    private readonly client: Client,
    private readonly taskQueue: string,
    private readonly logger: Logger,
  ) {}

  open(cloudCredRefId: CloudCredRefId, report: (listedAt: number) => void, watchfulness: Watchfulness) {
    const watcher: LocalWatcher = { watchfulness, lastWake: Date.now() };
    const before = this.local.get(cloudCredRefId);
    if (before) before.isRelieved = true;
    before?.nudge?.();
    this.local.set(cloudCredRefId, watcher);
    // The wake-up that began it is spent: once this watcher sleeps, the next one must get through.
    this.remoteWakes.delete(cloudCredRefId);
    return {
      lastWake: () => watcher.lastWake,
      isRelieved: () => watcher.isRelieved === true,
      listed: (at: number) => {
        watcher.lastListing = at;
        report(at);
      },
      /** Sleeps until the time is over, somebody nudges, or the activity is cancelled (then it throws). */
      sleep: async (ms: number, signal: AbortSignal): Promise<void> => {
        signal.throwIfAborted();
        let done: () => void = () => undefined;
        const slept = new Promise<void>((resolve) => {
          done = resolve;
        });
        const timer = setTimeout(done, ms);
        watcher.nudge = done;
        signal.addEventListener('abort', done, { once: true });
        await slept;
        clearTimeout(timer);
        watcher.nudge = undefined;
        signal.removeEventListener('abort', done);
        signal.throwIfAborted();
      },
      close: () => {
        if (this.local.get(cloudCredRefId) === watcher) this.local.delete(cloudCredRefId);
      },
    };
  }

  async wake(cloudCredRefId: CloudCredRefId): Promise<void> {
    const watcher = this.alertHere(cloudCredRefId);
    if (watcher) {
      watcher.lastWake = Date.now();
      watcher.nudge?.();
      return;
    }
    const now = Date.now();
    if (now - (this.remoteWakes.get(cloudCredRefId) ?? 0) < REMOTE_WAKE_GAP_MS) return;
    this.remoteWakes.set(cloudCredRefId, now);
    try {
      await this.client.workflow.signalWithStart('watch', {
        workflowId: watchWorkflowId(cloudCredRefId),
        taskQueue: this.taskQueue,
        args: [{ cloudCredRefId }],
        signal: 'wake',
        signalArgs: [],
        staticSummary: `Watches the account ${cloudCredRefId}`,
      });
    } catch (error) {
      this.remoteWakes.delete(cloudCredRefId);
      this.logger.warn(
        { cloudCredRefId, err: error },
        'A watcher could not be woken; its instances will look themselves',
      );
    }
  }

  /** When the account was last listed whole by its watcher, epoch ms. */
  async listedAt(cloudCredRefId: CloudCredRefId): Promise<number | undefined> {
    const watcher = this.alertHere(cloudCredRefId);
    if (watcher) return watcher.lastListing;
    const known = this.remoteHealth.get(cloudCredRefId);
    if (known && Date.now() - known.at < REMOTE_HEALTH_MS) return await known.listed;
    const listed = this.askRemote(cloudCredRefId);
    this.remoteHealth.set(cloudCredRefId, { at: Date.now(), listed });
    return await listed;
  }

  /** A settled one here may have been relieved elsewhere, and would be the last to know. */
  private alertHere(cloudCredRefId: CloudCredRefId): LocalWatcher | undefined {
    const watcher = this.local.get(cloudCredRefId);
    return watcher?.watchfulness === 'alert' ? watcher : undefined;
  }

  /** The watch activity heartbeats the time of its last listing. */
  private async askRemote(cloudCredRefId: CloudCredRefId): Promise<number | undefined> {
    try {
      const { raw } = await this.client.workflow.getHandle(watchWorkflowId(cloudCredRefId)).describe();
      const payload = raw.pendingActivities?.[0]?.heartbeatDetails?.payloads?.[0];
      const at = payload ? defaultPayloadConverter.fromPayload<unknown>(payload) : undefined;
      return typeof at === 'number' ? at : undefined;
    } catch {
      return undefined; // not found, or no answer: then the entity looks for itself
    }
  }
}
