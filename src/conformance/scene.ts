import { setTimeout as sleep } from 'node:timers/promises';
import { openSsh, type SshConnection, waitForSsh } from '../activities/ssh-probe.js';
import type { ErrorKind } from '../domain/errors.js';
import type { FirewallRules } from '../domain/firewall.js';
import { attemptKey, type RefId } from '../domain/ids.js';
import type {
  Capability,
  CloudInstance,
  CreateInstanceAttrs,
  CreateOutcome,
  InstanceType,
  Provider,
} from '../domain/provider.js';
import { makeSshKeyPair, type SshKeyPair } from '../ssh-key-pair.js';
import type { Account } from './account.js';
import { NotConforming } from './check.js';
import { chooseOffer, type Wanted } from './offer.js';
import { patient } from './patience.js';
import type { Recorder } from './recorder.js';
import type { RefIds } from './ref-ids.js';
import type { Timing } from './timing.js';
import { authorisingScript } from './user-data.js';
import { settle, untilStatus } from './waiting.js';

/** How machines are entered: another one in tests that break what is behind it. */
export interface SshDoor {
  wait: typeof waitForSsh;
  open: typeof openSsh;
}

export const REAL_SSH: SshDoor = { wait: waitForSsh, open: openSsh };

export interface SceneOptions {
  account: Account;
  wanted: Wanted;
  timing: Timing;
  signal: AbortSignal;
  recorder: Recorder;
  refIds: RefIds;
  ssh: SshDoor;
}

/** A create, and its answer. */
export interface Created {
  asked: CreateInstanceAttrs;
  instance: CloudInstance;
  adopted: boolean;
  /** Epoch ms. */
  askedAt: number;
  answeredAt: number;
  /** Rules could not be asked for, and why. */
  withoutRules?: string;
}

/** The rule that the machine is made with: for everybody, on a port that nothing uses. */
export const OPEN_PORT = 8_080;
/** Tags that the machine is made with. */
export const TAGS: Readonly<Record<string, string>> = { purpose: 'slipway-conformance' };

/**
 * What the checks share: one machine, made when the first of them asks for it, and the ways to it. Each state is brought
 * about by whoever needs it, so that any check may run alone. What could not be had is thrown to each who asks, the same
 * error every time: the first one reports it, the others point there.
 */
export class Scene {
  readonly account: Account;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly recorder: Recorder;
  readonly refIds: RefIds;
  readonly ssh: SshDoor;
  /** The client of most checks. */
  readonly provider: Provider;
  /** In this order: what goes by name where a vendor takes one key, what must get in besides, what user data adds. */
  readonly keys = { caller: makeSshKeyPair(), worker: makeSshKeyPair(), script: makeSshKeyPair() };
  readonly #wanted: Wanted;
  readonly #made = new Map<string, Promise<unknown>>();
  readonly #failed = new Map<string, unknown>();
  #isPoweredOn = false;
  #connection: SshConnection | undefined;
  /** As first seen; it must stay. */
  hostKey: string | undefined;

  constructor({ account, wanted, timing, signal, recorder, refIds, ssh }: SceneOptions) {
    this.account = account;
    this.#wanted = wanted;
    this.timing = timing;
    this.signal = signal;
    this.recorder = recorder;
    this.refIds = refIds;
    this.ssh = ssh;
    this.provider = this.another();
  }

  /** A client that remembers nothing of the others. */
  another(deps?: Parameters<Account['open']>[0]): Provider {
    return patient(this.recorder.watch(this.account.open(deps)));
  }

  can(capability: Capability): boolean {
    return this.provider.capabilities.includes(capability);
  }

  types(): Promise<InstanceType[]> {
    return this.#once('types', () => this.provider.listInstanceTypes(this.signal));
  }

  /** The type that is rented. @throws {NoOffer} */
  offer(): Promise<InstanceType> {
    return this.#once('offer', async () => chooseOffer(await this.types(), this.#wanted));
  }

  /** A create of the offer, as the worker would ask for it. */
  async attrs(refId: RefId, change: Partial<CreateInstanceAttrs> = {}): Promise<CreateInstanceAttrs> {
    const { location, subLocation, instanceType } = await this.offer();
    return {
      refId,
      cloudCredRefId: this.account.cloudCredRefId,
      attemptKey: attemptKey(refId, 1),
      name: refId,
      location,
      ...(subLocation !== undefined && { subLocation }),
      instanceType,
      publicKeys: [this.keys.caller.publicKey, this.keys.worker.publicKey],
      tags: { ...TAGS },
      firewallRules: { ingressRules: [], egressRules: [] },
      ...change,
    };
  }

  /** The machine of most checks, as its create answered. */
  machine(): Promise<Created> {
    return this.#once('machine', () => this.#create());
  }

  /** It runs, whatever was done to it before. */
  running(): Promise<CloudInstance> {
    return this.#orAsBefore('running', async () => {
      const { instance } = await this.machine();
      const { signal, timing, provider } = this;
      if (this.#isPoweredOn) return await provider.getInstance(instance.cloudId, instance.location, signal);
      const now = await provider.getInstance(instance.cloudId, instance.location, signal);
      if (now.status === 'stopped') await provider.startInstance(instance.cloudId, instance.location, signal);
      const running = await untilStatus(provider, instance, 'running', { signal, withinMs: timing.runningMs });
      this.#isPoweredOn = true;
      return running;
    });
  }

  /** It is stopped: by this call, if nobody did it before. */
  async stopped(): Promise<CloudInstance> {
    const { cloudId, location } = await this.running();
    this.powerChanges();
    await this.provider.stopInstance(cloudId, location, this.signal);
    return await untilStatus(this.provider, { cloudId, location }, 'stopped', {
      signal: this.signal,
      withinMs: this.timing.stoppedMs,
    });
  }

  /** Ended and gone: by the first who asks, with the evidence for all. */
  ended(end: () => Promise<string>): Promise<string> {
    return this.#once('ended', end);
  }

  /** Whoever stops, starts or reboots it says so: connections are of no use then. */
  powerChanges(): void {
    this.#isPoweredOn = false;
    this.hangUp();
  }

  hangUp(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** In, with the worker's key, and booted to its end. */
  inside(): Promise<SshConnection> {
    return this.#orAsBefore('inside', async () => {
      this.#connection ??= await this.enter(this.keys.worker);
      return this.#connection;
    });
  }

  /** Waits until SSH lets this key in. @throws {NotConforming} with the class and the evidence. */
  async enter(key: SshKeyPair): Promise<SshConnection> {
    const { publicAddress: host, sshPort: port, sshUser: user } = await this.running();
    if (!host) throw new NotConforming('the machine runs and get shows no public address');
    const target = {
      host,
      port,
      user,
      privateKey: key.privateKey,
      ...(this.hostKey && { pinnedHostKey: this.hostKey }),
    };
    const { signal, timing } = this;
    const probe = await this.ssh.wait(target, { deadlineMs: timing.sshMs, signal });
    if (!probe.ok)
      throw new NotConforming(`${user}@${host}:${port} does not answer SSH (${probe.failure}): ${probe.evidence}`);
    this.hostKey = probe.hostKey;
    return await this.ssh.open(target, { timeoutMs: 30_000, signal });
  }

  /** Creates, and stays with it while the provider is busy or its answer is lost on the way. */
  createPersistently(provider: Provider, asked: CreateInstanceAttrs): Promise<CreateOutcome> {
    return this.createPersistentlyUntil(provider, asked, () => false);
  }

  /** The same, but for an answer that was to be lost: it is not asked again. */
  async createPersistentlyUntil(
    provider: Provider,
    asked: CreateInstanceAttrs,
    isEnough: () => boolean,
  ): Promise<CreateOutcome> {
    for (let turn = 1; ; turn += 1) {
      const startedAt = Date.now();
      const outcome = await provider.createInstance(asked, this.signal);
      if (outcome.outcome === 'exists' || turn === 3 || isEnough()) return outcome;
      const { kind, retryAfterMs } = outcome.failure;
      if (outcome.outcome === 'unknown') await settle(provider, startedAt, this.signal);
      else if (kind === 'RateLimited' || kind === 'ServiceUnavailable')
        await sleep(retryAfterMs ?? 10_000, undefined, { signal: this.signal });
      else return outcome;
    }
  }

  async #create(): Promise<Created> {
    const refId = this.refIds.next();
    const rules: FirewallRules = {
      ingressRules: [{ fromPort: OPEN_PORT, toPort: OPEN_PORT, ipRanges: [] }],
      egressRules: [],
    };
    const canHaveRules = this.can('modify-firewall') || this.provider.firewall === 'host';
    const script = authorisingScript(this.keys.script.publicKey);
    const plain = await this.attrs(refId, {
      ...(this.can('instance-userdata') && { userDataBase64: Buffer.from(script).toString('base64') }),
      ...(this.can('resize-instance-volume') && { diskSize: { value: 100, unit: 'GB' } }),
    });
    if (!canHaveRules) {
      return await this.#createAs(plain, 'the provider takes no rules');
    }
    try {
      return await this.#createAs({ ...plain, firewallRules: rules });
    } catch (error) {
      // A firewall of the whole account may keep out what a machine's own would let in; the adapter says so by name.
      if (!(error instanceof CreateRefused) || error.kind !== 'InvalidRequest') throw error;
      return await this.#createAs(plain, `a create with the rule ${OPEN_PORT} was refused: ${error.message}`);
    }
  }

  async #createAs(asked: CreateInstanceAttrs, withoutRules?: string): Promise<Created> {
    const askedAt = Date.now();
    const outcome = await this.createPersistently(this.provider, asked);
    if (outcome.outcome !== 'exists') {
      throw new CreateRefused(
        `no machine: the create is ${outcome.outcome}: ${outcome.failure.kind}: ${outcome.failure.message}`,
        outcome.failure.kind,
      );
    }
    const { instance, adopted } = outcome;
    return { asked, instance, adopted, askedAt, answeredAt: Date.now(), ...(withoutRules && { withoutRules }) };
  }

  /** What failed once took its whole time: nobody waits for it again. */
  async #orAsBefore<T>(name: string, reach: () => Promise<T>): Promise<T> {
    if (this.#failed.has(name)) throw this.#failed.get(name);
    try {
      return await reach();
    } catch (error) {
      if (!this.signal.aborted) this.#failed.set(name, error);
      throw error;
    }
  }

  #once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const earlier = this.#made.get(name) as Promise<T> | undefined;
    if (earlier) return earlier;
    const made = make();
    made.catch(() => undefined); // whoever asks is told
    this.#made.set(name, made);
    return made;
  }
}

class CreateRefused extends NotConforming {
  constructor(
    message: string,
    readonly kind: ErrorKind,
  ) {
    super(message);
  }
}
