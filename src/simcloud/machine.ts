import type { Timer } from './clock.js';
import { Computer, type ComputerHost } from './computer.js';
import { CloudError } from './errors.js';
import type { BehaviourKind } from './fault-kinds.js';
import type { MachineRecord, MachineStatus, PlanAction, Timing } from './types.js';

/*
 * One simulated machine: its lifecycle. The real ports behind its address: `computer.ts`.
 *
 * The record is the truth; timers, ports and servers follow from it and are made again after a restart. Whatever is
 * still to happen stands in `record.plans`, never in a closure.
 *
 *   pending ─boot─▶ running ─stop─▶ stopping ─▶ stopped ─start─▶ pending …      any ─terminate─▶ terminating ─▶ terminated
 */

/** What a machine needs of its cloud. Every change of status passes here, so that ledger and stock see it. */
export interface MachineHost extends ComputerHost {
  timing(): Timing;
  makeHostKey(): string;
  /** @throws {CloudError} `capacity.out_of_stock` */
  takeStock(record: MachineRecord): void;
  statusBegan(record: MachineRecord): void;
  vanished(record: MachineRecord): void;
  forgotten(record: MachineRecord): void;
  /** Something that a restart must know. */
  changed(): void;
}

/** Nothing leads out of these but to `terminated`; what is asked of such a machine besides is `wrong_state`. */
const ENDING: ReadonlySet<MachineStatus> = new Set(['terminating', 'terminated']);

/** When one of these is over, the ports are others. */
const PORT_BEHAVIOURS = ['ssh-refused', 'firewall-leaks', 'firewall-shut', 'firewall-stuck'] as const;

export class Machine {
  readonly #computer: Computer;
  readonly #timers = new Map<PlanAction, Timer>();

  constructor(
    readonly record: MachineRecord,
    private readonly host: MachineHost,
  ) {
    this.#computer = new Computer(record, host);
  }

  /** The account may see it in lists. */
  get isListed(): boolean {
    return this.host.clock.now() >= this.record.listedFrom;
  }

  /** First life: to be called once, on a new record. */
  begin(): void {
    const { bootMs } = this.host.timing();
    if (!this.#has('never-boots')) this.#plan('boot', this.#has('slow-boot')?.delayMs ?? bootMs);
    const vanishing = this.#has('vanishes');
    if (vanishing) this.#plan('vanish', vanishing.delayMs);
  }

  /** Second life, after a restart of the cloud: resolves when its ports are open again. */
  async resume(): Promise<void> {
    for (const plan of this.record.plans) this.#arm(plan.action, plan.dueAt);
    if (this.record.status === 'running' && !this.#isPlanned('ssh-up') && !this.#isPlanned('reboot'))
      await this.#powerOn();
  }

  /** Accepted twice: a machine that stops or has stopped stays as it is. */
  stop(): void {
    if (this.record.status === 'stopping' || this.record.status === 'stopped') return;
    this.#mustBe(['running'], 'stop');
    this.#enter('stopping');
    this.#powerOff();
    this.#plan('stop', this.host.timing().stopMs);
  }

  /** @throws {CloudError} `capacity.out_of_stock`; `instance.busy` while it still stops. */
  start(): void {
    if (this.record.status === 'pending' || this.record.status === 'running') return;
    if (this.record.status === 'stopping') throw busy(this.record.id, 'it is still stopping');
    this.#mustBe(['stopped'], 'start');
    this.host.takeStock(this.record);
    this.#changeHostKeyIfAsked();
    this.#enter('pending');
    this.#plan('boot', this.host.timing().startMs);
  }

  /** Shows as `running` all the time, with a message; connections die. */
  reboot(): void {
    this.#mustBe(['running'], 'reboot');
    this.#changeHostKeyIfAsked();
    this.record.statusMessage = 'rebooting';
    this.#powerOff();
    this.#plan('reboot', this.host.timing().rebootMs);
  }

  /** Accepted at any time and any number of times. @param terminateMs How long it takes. */
  terminate(terminateMs = this.host.timing().terminateMs): void {
    if (ENDING.has(this.record.status)) return;
    const age = this.host.clock.now() - this.record.createdAt;
    if (age < this.host.timing().minimumTermMs) throw busy(this.record.id, 'its minimum term is not over');
    this.#cancelAll();
    this.#enter('terminating');
    this.#powerOff();
    this.#plan('terminate', terminateMs);
  }

  /** The rules are in force when this resolves. */
  async applyFirewall(): Promise<void> {
    await this.#computer.refreshPorts();
  }

  fail(message: string): void {
    if (ENDING.has(this.record.status)) return;
    this.#cancelAll('vanish');
    this.#enter('failed', message);
    this.#powerOff();
  }

  stopByItself(): void {
    if (ENDING.has(this.record.status) || this.record.status === 'stopped') return;
    this.#cancelAll('vanish');
    this.#powerOff();
    this.#enter('stopped', 'stopped by the provider');
  }

  vanish(): void {
    void this.close();
    this.host.vanished(this.record);
  }

  ports(): ReturnType<Computer['ports']> {
    return this.#computer.ports();
  }

  /** Frees ports and timers; the record stays. Resolves when the ports are free. */
  async close(): Promise<void> {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await this.#computer.powerOff();
  }

  // What is planned, and what happens then.

  #plan(action: PlanAction, ms: number): void {
    const dueAt = this.host.clock.now() + ms;
    this.record.plans = [...this.record.plans.filter((plan) => plan.action !== action), { action, dueAt }];
    this.#arm(action, dueAt);
    this.host.changed();
  }

  #arm(action: PlanAction, dueAt: number): void {
    this.#timers.get(action)?.cancel();
    const run = async (): Promise<void> => {
      this.#timers.delete(action);
      this.record.plans = this.record.plans.filter((plan) => plan.action !== action);
      await this.#happenings[action]();
      this.host.changed();
    };
    this.#timers.set(action, this.host.clock.at(dueAt, run));
  }

  #isPlanned(action: PlanAction): boolean {
    return this.record.plans.some((plan) => plan.action === action);
  }

  /** Nothing that was planned happens any more, but for a machine that is to vanish. */
  #cancelAll(keep?: 'vanish'): void {
    for (const plan of this.record.plans) {
      if (plan.action === keep) continue;
      this.#timers.get(plan.action)?.cancel();
      this.#timers.delete(plan.action);
    }
    this.record.plans = this.record.plans.filter((plan) => plan.action === keep);
  }

  /** What each plan is, once its time has come. */
  readonly #happenings: Record<PlanAction, () => void | Promise<void>> = {
    boot: () => this.#booted(),
    'ssh-up': () => this.#powerOn(),
    'ssh-change': () => this.#computer.refreshPorts(),
    reboot: () => {
      delete this.record.statusMessage;
      return this.#powerOn();
    },
    stop: () => this.#enter('stopped'),
    terminate: () => {
      this.#enter('terminated');
      this.#plan('forget', this.host.timing().forgetAfterMs);
    },
    forget: () => this.host.forgotten(this.record),
    fail: () => this.fail('hardware error'),
    vanish: () => this.vanish(),
    'stop-by-itself': () => this.stopByItself(),
  };

  #booted(): void {
    const isFirstBoot = this.record.bootedAt === undefined;
    if (isFirstBoot && this.#has('boot-fails')) {
      this.fail('the host could not start the machine');
      return;
    }
    const { sshDelayMs, cloudInitMs } = this.host.timing();
    const now = this.host.clock.now();
    this.record.bootedAt = now;
    if (isFirstBoot) this.record.cloudInitUntil = now + cloudInitMs;
    this.#enter('running');
    this.#plan('ssh-up', sshDelayMs);

    const changes = PORT_BEHAVIOURS.map((kind) => this.#has(kind)?.delayMs ?? 0).filter((delayMs) => delayMs > 0);
    if (changes.length > 0) this.#plan('ssh-change', Math.max(...changes));
    if (!isFirstBoot) return;
    const failing = this.#has('boots-then-fails');
    if (failing) this.#plan('fail', failing.delayMs);
    const stopping = this.#has('stops-by-itself');
    if (stopping) this.#plan('stop-by-itself', stopping.delayMs);
  }

  #enter(status: MachineStatus, message?: string): void {
    this.record.status = status;
    this.record.statusSince = this.host.clock.now();
    if (message === undefined) delete this.record.statusMessage;
    else this.record.statusMessage = message;
    this.host.statusBegan(this.record);
    this.host.changed();
  }

  #mustBe(allowed: MachineStatus[], verb: string): void {
    const { id, status } = this.record;
    if (!allowed.includes(status)) throw new CloudError('instance.wrong_state', `${id} is ${status}: cannot ${verb}`);
    if (this.#isPlanned('reboot')) throw busy(id, 'it is rebooting');
  }

  // The machine itself.

  async #powerOn(): Promise<void> {
    try {
      await this.#computer.powerOn();
    } catch (cause) {
      // Not a fault anybody asked for: say it where it will be seen, instead of a machine that never answers.
      this.fail(`simcloud cannot open its ports: ${String(cause)}`);
    }
  }

  #powerOff(): void {
    for (const action of ['boot', 'ssh-up', 'ssh-change', 'fail', 'stop-by-itself'] as const) {
      this.#timers.get(action)?.cancel();
      this.#timers.delete(action);
      this.record.plans = this.record.plans.filter((plan) => plan.action !== action);
    }
    void this.#computer.powerOff();
  }

  #changeHostKeyIfAsked(): void {
    if (!this.#has('ssh-new-host-key')) return;
    this.record.hostKey = this.host.makeHostKey();
    this.record.behaviours = this.record.behaviours.filter(({ kind }) => kind !== 'ssh-new-host-key');
  }

  #has(kind: BehaviourKind): { delayMs: number } | undefined {
    return this.record.behaviours.find((behaviour) => behaviour.kind === kind);
  }
}

function busy(id: string, why: string): CloudError {
  return new CloudError('instance.busy', `${id}: ${why}; try again later`);
}
