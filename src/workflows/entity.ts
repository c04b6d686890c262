import { CancellationScope, condition, isCancellation, patched, workflowInfo } from '@temporalio/workflow';
import type { FirewallRules } from '../domain/firewall.js';
import { type CloudId, type IsoTime, type OfferId, toEpochMs, toIsoTime } from '../domain/ids.js';
import {
  type Command,
  decide,
  evolve,
  type Finding,
  type InstanceEvent,
  type InstanceFact,
  type InstanceRequest,
  type InstanceState,
  isHandled,
  mayBecomeOurs,
  type Observation,
  open,
  type Phase,
  phaseDeadline,
  record,
} from '../domain/instance/index.js';
import type { JournalParcel } from '../domain/journaling.js';
import { wasSoldOut } from '../domain/placement/choose.js';
import type { EventsPage, Recorded } from './messages.js';
import { activities } from './policies.js';
import { tellStory } from './story.js';
import { type JournalMark, Unjournaled } from './unjournaled.js';

/** What travels through continue-as-new: plain JSON, for a Map would arrive as `{}`. */
export interface InstanceSnapshot {
  state: InstanceState;
  /** The newest events, and all that the journal shall still get; older ones are gone, their effect is in the state. */
  events: InstanceEvent[];
  lastSeen?: Observation;
  /** The watcher tells each of these once: they must not get lost between two runs. */
  suspicion?: Observation;
  unclaimed?: Observation[];
  journal?: JournalMark;
}

/** How many events a workflow keeps for its readers. At some 300 bytes each this stays far below a payload's limit. */
const EVENTS_KEPT = 500;
/** And how many at most while a journal is away that shall still get them: under half of what a payload may carry. */
const EVENTS_OWED = 2_500;
/** Long before the server's hint: a wake-up replays the run. */
const LONG_HISTORY = 2_000;

/**
 * One instance inside its workflow: the state, its events, and what is known of its machine.
 *
 * Only this object appends events. Handlers call `handle` and `observe`, which record and return; the main loop does
 * the work, and looks at the phase again whenever it was woken.
 */
export class Instance {
  private events: InstanceEvent[];
  private current: InstanceState;
  /** Counts recorded intents: a wait that began at another count is over. */
  intents = 0;
  /** Machines seen with our refId while a create is under way: one of them may be ours. */
  private readonly unclaimed = new Map<CloudId, Observation>();
  private lastSeen: Observation | undefined;
  /** The provider may have lost our machine: to be made sure of. */
  suspicion: Observation | undefined;
  /** The order that this run has already given to the provider, by phase and its beginning. */
  orderGiven: string | undefined;
  /** Called for each machine that must be ended beside the main one. */
  onStray: (cloudId: CloudId) => void = () => undefined;
  readonly unjournaled: Unjournaled;
  private isDelivering = false;

  private constructor(state: InstanceState, events: InstanceEvent[], journal: JournalMark | 'new' | undefined) {
    this.current = state;
    this.events = events;
    this.unjournaled = new Unjournaled(state.refId, () => this.events, journal);
  }

  static begin(request: InstanceRequest): Instance {
    const requested: InstanceEvent = { type: 'InstanceRequested', request, seq: 1, at: now() };
    return new Instance(open(requested), [requested], 'new');
  }

  static resume(snapshot: InstanceSnapshot): Instance {
    const instance = new Instance(snapshot.state, snapshot.events, snapshot.journal);
    instance.lastSeen = snapshot.lastSeen;
    instance.suspicion = snapshot.suspicion;
    for (const seen of snapshot.unclaimed ?? []) instance.unclaimed.set(seen.cloudId, seen);
    return instance;
  }

  get state(): InstanceState {
    return this.current;
  }

  get phase(): Phase {
    return this.current.phase;
  }

  /** Until the phase's deadline, in ms: none is left once it has passed. Absent where the phase has no deadline. */
  get timeLeft(): number | undefined {
    const deadline = phaseDeadline(this.current);
    return deadline === undefined ? undefined : Math.max(0, toEpochMs(deadline) - Date.now());
  }

  /** What our machine was last seen as. */
  get lastStatus(): Observation['status'] | undefined {
    return this.ownLastSeen?.status;
  }

  /** The rules that our machine was last seen with, where its provider shows them. */
  get shownRules(): FirewallRules | undefined {
    return this.ownLastSeen?.firewallRules;
  }

  private get ownLastSeen(): Observation | undefined {
    return this.lastSeen?.cloudId === this.current.machine?.cloudId ? this.lastSeen : undefined;
  }

  snapshot(): InstanceSnapshot {
    return {
      state: this.current,
      events: this.kept(),
      ...(this.lastSeen && { lastSeen: this.lastSeen }),
      ...(this.suspicion && { suspicion: this.suspicion }),
      ...(this.unclaimed.size > 0 && { unclaimed: [...this.unclaimed.values()] }),
      journal: this.unjournaled.snapshot(),
    };
  }

  eventsFrom(seq = 1): EventsPage {
    return {
      events: this.events.filter((event) => event.seq >= seq),
      firstSeq: this.events[0]?.seq ?? this.current.seq + 1,
      lastSeq: this.current.seq,
    };
  }

  /** Records what a command wants. @throws {CommandRefused} */
  handle(command: Command): Recorded {
    const facts = decide(this.current, command);
    this.append(facts);
    // A repeated request may be a retry that wants something kicked; a new one that is so already wants nothing.
    if (facts.length > 0) this.intents += 1;
    const { phase, seq } = this.current;
    return { result: facts.length > 0 || isHandled(this.current, command) ? 'recorded' : 'already', phase, seq };
  }

  /** Records what was found out. */
  record(finding: Finding): void {
    const before = this.phase;
    this.append(record(this.current, this.compared(finding), now()));
    if (this.phase !== before && this.lastSeen) this.consider(this.lastSeen);
  }

  /** Says of a refusal that it is no news. Guarded: runs of before gave up after so many of them, and must replay so. */
  private compared(finding: Finding): Finding {
    if (finding.type !== 'RecordCreateError' || finding.failure.kind !== 'InsufficientResources') return finding;
    if (finding.failure.isRemembered || !wasSoldOut(this.current.attempts) || !patched('sold-out-again'))
      return finding;
    return { ...finding, failure: { ...finding.failure, isRepeat: true } };
  }

  /** Takes in what the watcher, or a look of ours, saw of a machine with our refId. */
  observe(seen: Observation): void {
    if (mayBecomeOurs(this.current)) this.unclaimed.set(seen.cloudId, seen);
    else if (seen.cloudId === this.current.machine?.cloudId) {
      if (this.lastSeen && this.lastSeen.cloudId === seen.cloudId && seen.at < this.lastSeen.at) return;
      this.lastSeen = seen;
      this.consider(seen);
    } else {
      const debts = this.current.debts.length;
      this.record({ type: 'RecordStray', observation: seen });
      if (this.current.debts.length > debts) this.onStray(seen.cloudId);
    }
  }

  /** Nothing with our refId is in the account: our machine may be gone since before anybody watched. */
  miss(at: IsoTime): void {
    const cloudId = this.current.machine?.cloudId;
    if (cloudId) this.observe({ cloudId, at, status: 'absent', message: 'in the first listing of a new watcher' });
  }

  /** An offer has stock again: a request that waits for it asks at once. */
  restock(offerId: OfferId): void {
    const { seq } = this.current;
    this.record({ type: 'RecordStock', offerId });
    if (this.current.seq !== seq) this.intents += 1;
  }

  private consider(seen: Observation): void {
    if (seen.cloudId !== this.current.machine?.cloudId || seen.at < this.current.freshFrom) return;
    if (seen.status === 'absent' || seen.status === 'terminated') this.suspicion = seen;
    else this.record({ type: 'RecordObservation', observation: seen });
  }

  /** The create is over: what was seen meanwhile is ours, or a stray. */
  private claim(): void {
    const seen = [...this.unclaimed.values()];
    this.unclaimed.clear();
    for (const observation of seen) this.observe(observation);
  }

  private append(facts: readonly InstanceFact[]): void {
    const couldClaim = mayBecomeOurs(this.current);
    for (const fact of facts) {
      const event: InstanceEvent = { ...fact, seq: this.current.seq + 1, at: now() };
      this.current = evolve(this.current, event);
      this.events.push(event);
    }
    if (this.events.length > 2 * EVENTS_KEPT) this.events = this.kept();
    if (couldClaim && !mayBecomeOurs(this.current)) this.claim();
  }

  /** The newest events, and with them those before that the journal is not known to have. */
  private kept(): InstanceEvent[] {
    const owed = this.current.seq + 1 - this.unjournaled.owedFrom;
    return this.events.slice(-Math.max(EVENTS_KEPT, Math.min(owed, EVENTS_OWED)));
  }

  /**
   * Hears what the journal has. Where it lacks what is no longer held here, that is a fact as well: the journal's story
   * goes on from there, with a hole that everybody sees.
   */
  confirm(sent: JournalParcel, upTo: number | undefined): void {
    const from = this.unjournaled.confirm(sent, upTo);
    // Workers of before 0019 answered like this and then took what came.
    if (from !== undefined && patched('facts-lost')) this.append([{ type: 'FactsLost', from, state: this.current }]);
  }

  /** Should this run end, and go on as a new one? */
  get isLong(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return continueAsNewSuggested || historyLength > LONG_HISTORY;
  }

  /** Updates search attributes and the story in Temporal's UI; nothing when nothing changed. */
  publish(): void {
    tellStory(this.current, this.events);
  }

  /**
   * Brings to the journal what no step follows for a while. Goes on beside the main loop, for as long as it takes: a
   * journal that is down holds nobody up here.
   */
  deliver(): void {
    if (this.isDelivering || this.isDelivered) return;
    this.isDelivering = true;
    const { recordEvents } = activities('record', 'tell the journal');
    const work = async () => {
      while (!this.isDelivered) await recordEvents();
    };
    void work().finally(() => {
      this.isDelivering = false;
    });
  }

  /** Facts came while nothing was under way: whoever rests wakes for it, and delivers. */
  get mustDeliver(): boolean {
    return !this.isDelivering && !this.isDelivered;
  }

  get isDelivered(): boolean {
    return !this.unjournaled.isOwed;
  }

  /** Waits until `done`, a new intent, or `by`. Answers false when the time ran out. */
  async until(done: () => boolean, by?: IsoTime, summary?: string): Promise<boolean> {
    this.publish();
    const before = this.intents;
    const woken = () => done() || this.intents !== before;
    if (by === undefined) {
      await condition(woken);
      return true;
    }
    const left = toEpochMs(by) - Date.now();
    return left > 0 ? await condition(woken, left, summary ? { summary } : {}) : woken();
  }

  /** Runs an activity to its end, whatever people want meanwhile. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    this.publish();
    return await work();
  }

  /**
   * Runs an activity that is cancelled once the instance is to be terminated, or the phase moved on: whoever wants it
   * ended does not wait for a provider that does not answer a stop. Answers whether it was done.
   */
  async unlessEnding(work: () => Promise<void>): Promise<boolean> {
    const { phase } = this;
    const movedOn = () => this.phase !== phase || this.current.desired === 'terminated';
    const done = await this.cancelledOnce(movedOn, () => work().then(() => true));
    return done === true && this.phase === phase;
  }

  /**
   * Runs an activity that is cancelled, and answered with `undefined`, once the phase or the intents moved on; or once
   * `orElse` holds.
   */
  async interruptible<T>(work: () => Promise<T>, orElse = () => false): Promise<T | undefined> {
    const { phase, intents } = this;
    return await this.cancelledOnce(() => this.phase !== phase || this.intents !== intents || orElse(), work);
  }

  private async cancelledOnce<T>(movedOn: () => boolean, work: () => Promise<T>): Promise<T | undefined> {
    this.publish();
    const scope = new CancellationScope();
    let isDone = false;
    // Each promise costs a stack trace, so there is no second scope to end this wait: it ends with the work.
    void condition(() => isDone || movedOn()).then(() => {
      if (!isDone) scope.cancel();
    });
    try {
      return await scope.run(work);
    } catch (error) {
      if (isCancellation(error)) return undefined;
      throw error;
    } finally {
      isDone = true;
    }
  }
}

export function now(): IsoTime {
  return toIsoTime(Date.now());
}
