import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  defaultPayloadConverter,
  QueryRejectedError,
  WorkflowClient,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
} from '@temporalio/client';
import { type CloudCredRefId, instanceWorkflowId, type RefId, watchedAccount, watchWorkflowId } from '../domain/ids.js';
import {
  type CommandName,
  type InstanceEvent,
  type InstanceRequestInput,
  type InstanceView,
  type Phase,
  refIdIssue,
  requestIssues,
  sameRequest,
  toInstanceRequest,
} from '../domain/instance/index.js';
import type { StrayDebts } from '../domain/stray-debt.js';
import type { Journal, JournalEntry } from '../journal/index.js';
import type { CommandInputs, EventsPage, Recorded } from '../workflows/messages.js';
import { type CleanupDebt, type DebtFilter, debtsOf, isOfInstances, strayDebtsOf, tellDebts } from './debts.js';
import { SlipwayError } from './errors.js';
import { toSlipwayError } from './failures.js';
import { type FollowEventsOptions, followEvents } from './follow.js';
import { type ListedInstance, type ListFilter, toListed, toQuery, toWatchQuery } from './instances.js';
import { startInstance } from './start.js';

export interface SlipwayClientOptions {
  client: Client;
  /** Where the workers listen. Default `slipway`. */
  taskQueue?: string;
  /** Where the journal is, as the workers have it in SLIPWAY_JOURNAL_URL: `follow` needs it. Opened at first use. */
  journalUrl?: string;
  /** How long a call may take before `Unreachable`, in ms. Default 15 s. */
  timeoutMs?: number;
}

export interface Provisioned {
  refId: RefId;
  workflowId: string;
  /** False: the same request was there already, and goes on. */
  started: boolean;
}

export interface WaitOptions {
  /** Default 30 minutes. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Between two looks while waiting, in ms: quick at first, for most things happen soon. */
const LOOK_GAP_MS = { first: 100, ceiling: 1_000 };
const DEFAULT_TIMEOUT_MS = 15_000;

/**
 * What a control plane holds: starts instances, asks things of them, waits for them. Speaks to Temporal, and follows the
 * journal.
 *
 * Every method throws `SlipwayError`, with a `kind`: NotFound, InvalidRequest, WrongPhase, NotSupported, RefIdConflict,
 * Unreachable.
 */
export class SlipwayClient {
  private readonly workflows: WorkflowClient;
  private readonly openOnly: WorkflowClient;
  private readonly taskQueue: string;
  private readonly timeoutMs: number;
  private journal: Promise<Journal> | undefined;

  constructor(private readonly options: SlipwayClientOptions) {
    const { connection, options: clientOptions } = options.client;
    const { namespace, loadedDataConverter: _loaded, ...rest } = clientOptions;
    this.workflows = options.client.workflow;
    this.openOnly = new WorkflowClient({
      connection,
      namespace,
      dataConverter: rest.dataConverter,
      queryRejectCondition: 'NOT_OPEN',
    });
    this.taskQueue = options.taskQueue ?? 'slipway';
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /**
   * Starts an instance, or finds the one that the same request started. Returns once the request is durable, long
   * before the machine exists: see `waitFor`.
   * @throws {SlipwayError} InvalidRequest with every issue; RefIdConflict when the refId belongs to another request.
   */
  async provision(request: InstanceRequestInput): Promise<Provisioned> {
    const issues = requestIssues(request);
    if (issues.length > 0) {
      const message = issues.map(({ path, message: text }) => `${path || 'request'} ${text}`).join('; ');
      throw new SlipwayError('InvalidRequest', message, { issues });
    }
    const { refId } = request;
    const workflowId = instanceWorkflowId(refId);
    try {
      await this.timely(refId, () => startInstance(this.workflows, this.taskQueue, request));
      return { refId, workflowId, started: true };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const earlier = await this.requestOf(refId);
      if (sameRequest(toInstanceRequest(request), toInstanceRequest(earlier))) {
        return { refId, workflowId, started: false };
      }
      throw new SlipwayError('RefIdConflict', `The refId ${refId} belongs to another request.`, {}, error);
    }
  }

  stop(refId: RefId, input: CommandInputs['stop'] = {}): Promise<Recorded> {
    return this.command(refId, 'stop', input);
  }
  start(refId: RefId, input: CommandInputs['start'] = {}): Promise<Recorded> {
    return this.command(refId, 'start', input);
  }
  reboot(refId: RefId, input: CommandInputs['reboot'] = {}): Promise<Recorded> {
    return this.command(refId, 'reboot', input);
  }
  /** Also of an instance that is over: then it is `already` so. */
  terminate(refId: RefId, input: CommandInputs['terminate'] = {}): Promise<Recorded> {
    return this.command(refId, 'terminate', input);
  }
  retry(refId: RefId, input: CommandInputs['retry'] = {}): Promise<Recorded> {
    return this.command(refId, 'retry', input);
  }
  release(refId: RefId, input: CommandInputs['release']): Promise<Recorded> {
    return this.command(refId, 'release', input);
  }
  setFirewallRules(refId: RefId, input: CommandInputs['setFirewallRules']): Promise<Recorded> {
    return this.command(refId, 'setFirewallRules', input);
  }
  updateTags(refId: RefId, input: CommandInputs['updateTags']): Promise<Recorded> {
    return this.command(refId, 'updateTags', input);
  }
  changeInstanceType(refId: RefId, input: CommandInputs['changeInstanceType']): Promise<Recorded> {
    return this.command(refId, 'changeInstanceType', input);
  }
  resizeVolume(refId: RefId, input: CommandInputs['resizeVolume']): Promise<Recorded> {
    return this.command(refId, 'resizeVolume', input);
  }

  /** Where it stands, and why. Also of one that is over, as long as Temporal keeps it. */
  async describe(refId: RefId): Promise<InstanceView> {
    const workflowId = this.idOf(refId);
    try {
      return await this.timely(refId, () => this.openOnly.getHandle(workflowId).query<InstanceView>('describe'));
    } catch (error) {
      if (!(error instanceof QueryRejectedError)) throw error;
      return await this.outcome(refId);
    }
  }

  /** Facts from number `fromSeq` on, oldest first. */
  async events(refId: RefId, fromSeq = 1): Promise<EventsPage> {
    const workflowId = this.idOf(refId);
    return await this.timely(refId, () =>
      this.workflows.getHandle(workflowId).query<EventsPage, [number]>('events', fromSeq),
    );
  }

  /**
   * Waits until the instance is in one of the phases.
   * @throws {SlipwayError} Stuck, once it cannot get there by itself (parked, or over); WaitTimeout. Both carry the view.
   */
  async waitFor(refId: RefId, phases: Phase | readonly Phase[], options: WaitOptions = {}): Promise<InstanceView> {
    const wanted = [phases].flat() as Phase[];
    const { timeoutMs = 30 * 60_000, signal } = options;
    const endsAt = Date.now() + timeoutMs;
    let gap = LOOK_GAP_MS.first;
    for (;;) {
      const view = await this.describe(refId);
      if (wanted.includes(view.phase)) return view;
      if (view.phase === 'parked' || view.phase === 'terminated') {
        const why = view.failure ? `: ${view.failure.kind}: ${view.failure.message}` : '';
        throw new SlipwayError('Stuck', `${refId} is ${view.phase}, not ${wanted.join(' or ')}${why}`, { view });
      }
      const left = endsAt - Date.now();
      if (left <= 0) {
        const message = `${refId} is still ${view.phase} after ${timeoutMs} ms, not ${wanted.join(' or ')}.`;
        throw new SlipwayError('WaitTimeout', message, { view });
      }
      await sleep(Math.min(gap, left), undefined, { signal });
      gap = Math.min(gap * 1.5, LOOK_GAP_MS.ceiling);
    }
  }

  /** One instance's facts as they happen, until it is over or the signal aborts. Resume with the last seq plus one. */
  async *watch(refId: RefId, options: { fromSeq?: number; signal?: AbortSignal } = {}): AsyncGenerator<InstanceEvent> {
    let next = options.fromSeq ?? 1;
    let gap = LOOK_GAP_MS.first;
    for (;;) {
      const { events } = await this.events(refId, next);
      for (const event of events) {
        yield event;
        next = event.seq + 1;
        if (event.type === 'InstanceTerminated') return;
      }
      gap = events.length > 0 ? LOOK_GAP_MS.first : Math.min(gap * 1.5, LOOK_GAP_MS.ceiling);
      try {
        await sleep(gap, undefined, { signal: options.signal });
      } catch (error) {
        if (options.signal?.aborted) return;
        throw error;
      }
    }
  }

  /**
   * Every event of every instance after a position, in order and each once, then those to come: from the journal, which
   * outlives Temporal's retention. While its database does not answer, it waits. Keep each event's position with what
   * was made of it: from there it goes on after a crash, without a gap or a double. Where `supersedes` is set, forget
   * what was known of that instance from `event.seq` on: it was reset.
   *
   * @throws {SlipwayError} InvalidRequest without a usable `journalUrl`, Unreachable when it cannot be opened.
   */
  async *follow(options: FollowEventsOptions = {}): AsyncGenerator<JournalEntry, void, void> {
    const journal = await this.openJournal();
    try {
      yield* followEvents(journal, options);
    } catch (error) {
      throw toSlipwayError(error, '');
    }
  }

  /** Lets go of the journal. The Temporal client is the caller's, and so is its connection. */
  async close(): Promise<void> {
    const journal = await this.journal?.catch(() => undefined);
    this.journal = undefined;
    await journal?.close();
  }

  private async openJournal(): Promise<Journal> {
    const { journalUrl } = this.options;
    if (!journalUrl) {
      const issue = { path: 'journalUrl', message: 'must say where the journal is' };
      throw new SlipwayError('InvalidRequest', `${issue.path} ${issue.message}`, { issues: [issue] });
    }
    // Who never follows does not load the database drivers.
    this.journal ??= import('../journal/index.js').then(({ openJournal }) => openJournal(journalUrl));
    try {
      return await this.journal;
    } catch (error) {
      this.journal = undefined;
      throw toSlipwayError(error, '');
    }
  }

  /** From visibility, newest first; it may lag a second behind. */
  async list(filter: ListFilter = {}): Promise<ListedInstance[]> {
    const query = toQuery(filter);
    const { limit = 1000 } = filter;
    return await this.timely('', async () => {
      const rows = new Map<RefId, ListedInstance>();
      for await (const execution of this.workflows.list({ query })) {
        if (rows.size >= limit) break;
        const row = toListed(execution);
        // An instance that went on as new, or was reset, has several runs; the newest comes first.
        if (!rows.has(row.refId)) rows.set(row.refId, row);
      }
      return [...rows.values()];
    });
  }

  /**
   * What may bill and is not proved gone, oldest first: of all instances, and of those that are over and whose machine
   * arrived later. The latter have no phase, provider or error kind to be asked for by.
   * @throws {SlipwayError} Unreachable when one of them does not answer: `details.debts` has what the others told.
   */
  async debts(filter: DebtFilter = {}): Promise<CleanupDebt[]> {
    const [owing, accounts] = await Promise.all([
      this.list({ ...filter, cleanupDebt: true }),
      isOfInstances(filter) ? [] : this.watchedAccounts(filter.cloudCredRefId),
    ]);
    const now = Date.now();
    return await tellDebts([
      ...owing.map(({ refId }) => ({
        whose: `instance ${refId}`,
        told: this.describe(refId).then((view) => debtsOf(view, now)),
      })),
      ...accounts.map((account) => ({
        whose: `account ${account}`,
        told: this.strayDebts(account).then((strays) => strayDebtsOf(strays, filter, now)),
      })),
    ]);
  }

  private async watchedAccounts(only?: CloudCredRefId): Promise<CloudCredRefId[]> {
    const query = toWatchQuery(this.taskQueue, only);
    return await this.timely('', async () => {
      const accounts: CloudCredRefId[] = [];
      for await (const { workflowId } of this.workflows.list({ query })) accounts.push(watchedAccount(workflowId));
      return accounts;
    });
  }

  /** As the account's watch keeps them. */
  private async strayDebts(account: CloudCredRefId): Promise<StrayDebts> {
    const handle = this.workflows.getHandle(watchWorkflowId(account));
    return await this.timely('', () => handle.query<StrayDebts>('strayDebts'));
  }

  /** Any command by its name, as the CLI sends them. Without a requestId a fresh one is made. */
  async command<Name extends CommandName>(refId: RefId, name: Name, input: CommandInputs[Name]): Promise<Recorded> {
    const workflowId = this.idOf(refId);
    const requestId = input.requestId ?? randomUUID();
    try {
      return await this.timely(refId, () =>
        this.workflows.getHandle(workflowId).executeUpdate<Recorded, [CommandInputs[Name]]>(name, {
          updateId: requestId,
          args: [{ ...input, requestId }],
        }),
      );
    } catch (error) {
      // An update to an execution that is over is "not found": so is one to an execution that never was.
      if (!(error instanceof SlipwayError) || error.kind !== 'NotFound') throw error;
      const { phase, seq } = await this.outcome(refId);
      if (name === 'terminate') return { result: 'already', phase, seq };
      throw new SlipwayError('WrongPhase', `Cannot ${name} an instance in phase ${phase}: it is over.`, {}, error);
    }
  }

  /** The last view of an instance that is over. */
  private async outcome(refId: RefId): Promise<InstanceView> {
    const handle = this.workflows.getHandle<() => Promise<InstanceView>>(instanceWorkflowId(refId));
    try {
      return await this.timely(refId, () => handle.result());
    } catch (error) {
      if (error instanceof SlipwayError || !(error instanceof WorkflowFailedError)) throw error;
      throw new SlipwayError('NotFound', `The instance ${refId} was ended by force: ${error.message}`, {}, error);
    }
  }

  /** What the execution was started with; it stays the first argument through every continue-as-new. */
  private async requestOf(refId: RefId): Promise<InstanceRequestInput> {
    const { connection, options } = this.options.client;
    const { history } = await this.timely(refId, () =>
      connection.workflowService.getWorkflowExecutionHistory({
        namespace: options.namespace,
        execution: { workflowId: instanceWorkflowId(refId) },
        maximumPageSize: 1,
      }),
    );
    const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
    const [payload] = started?.input?.payloads ?? [];
    if (!payload) throw new SlipwayError('RefIdConflict', `The refId ${refId} belongs to another request.`);
    const [decoded = payload] = await decode(this.options.client, [payload]);
    return defaultPayloadConverter.fromPayload<InstanceRequestInput>(decoded);
  }

  private idOf(refId: RefId): string {
    const issue = refIdIssue(refId);
    if (issue) throw new SlipwayError('InvalidRequest', `${issue.path} ${issue.message}`, { issues: [issue] });
    return instanceWorkflowId(refId);
  }

  /** Every call has a deadline, and ends in our own error. */
  private async timely<T>(refId: RefId, call: () => Promise<T>): Promise<T> {
    try {
      return await this.options.client.connection.withDeadline(Date.now() + this.timeoutMs, call);
    } catch (error) {
      throw toSlipwayError(error, refId);
    }
  }
}

type Payloads = Parameters<NonNullable<Client['options']['loadedDataConverter']['payloadCodecs'][number]>['decode']>[0];

/** Payload codecs (encryption) are undone in the reverse order. */
async function decode(client: Client, payloads: Payloads): Promise<Payloads> {
  let decoded = payloads;
  for (const codec of client.options.loadedDataConverter.payloadCodecs) decoded = await codec.decode(decoded);
  return decoded;
}
