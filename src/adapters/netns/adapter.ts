import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type ErrorKind, ProviderError } from '../../domain/errors.js';
import {
  DOCKER_SCRIPT,
  diffRules,
  type FirewallRules,
  NO_RULES,
  normaliseRules,
  renderDockerScript,
  renderLaunchScript,
  ufwRuleCommands,
} from '../../domain/firewall.js';
import { type CloudCredRefId, type CloudId, toIsoTime } from '../../domain/ids.js';
import type {
  Capability,
  CloudInstance,
  CreateInstanceAttrs,
  CreateOutcome,
  InstanceCapability,
  InstanceType,
  LifecycleStatus,
  Provider,
  ProviderLimits,
} from '../../domain/provider.js';
import { toInstanceTypeId } from '../../domain/provider.js';
import { findEarlier } from '../earlier.js';
import { notSupported, toProviderError } from '../failures.js';
import { changeRules, type RuleChange } from '../rule-changes.js';
import { toText } from '../user-data.js';
import { findNetwork, isFree } from './addresses.js';
import { FILES } from './scripts.js';
import type { HostStore, MachineRecord } from './store.js';
import type { Supervision } from './supervision.js';

export const ID = 'netns';
const LOCATION = 'local';
const TYPE = 'netns';

const ABILITIES = [
  'stop-start-instance',
  'reboot-instance',
  'modify-firewall',
  'tags',
] as const satisfies readonly InstanceCapability[];

export const CAPABILITIES = [
  'create-instance',
  'create-instance-idempotent',
  'terminate-instance',
  'instance-userdata',
  ...ABILITIES,
] as const satisfies readonly Capability[];

const TOOLS = ['ip', 'iptables', 'nsenter', 'setpriv', 'ssh-keygen', 'sshd', 'ufw', 'unshare'];
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

type Operation = Exclude<keyof Provider, 'id' | 'cloudCredRefId' | 'capabilities' | 'limits' | 'firewall'>;

/** Hosts on this computer, a set of namespaces each. What each operation owes its caller: `domain/provider.ts`. */
export class NetnsProvider implements Provider {
  readonly id = ID;
  readonly capabilities: readonly Capability[];
  readonly firewall?: 'host';
  readonly #abilities: readonly InstanceCapability[];
  readonly limits: ProviderLimits = { pollIntervalMs: 500, listingLagMs: 0 };
  /** One change of a host at a time. */
  readonly #turns = new Map<CloudId, Promise<unknown>>();

  constructor(
    readonly cloudCredRefId: CloudCredRefId,
    private readonly store: HostStore,
    private readonly supervision: Supervision,
    firewall: 'native' | 'host' = 'native',
    private readonly onCreateAnswered: () => void = () => undefined,
  ) {
    const has = (capability: Capability): boolean => firewall === 'native' || capability !== 'modify-firewall';
    this.capabilities = CAPABILITIES.filter(has);
    this.#abilities = ABILITIES.filter(has);
    if (firewall === 'host') this.firewall = 'host';
  }

  /** The id follows from the attempt: a repeat meets the folder that is there, also after a crash in between. */
  async createInstance(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<CreateOutcome> {
    try {
      mustBePossible(attrs);
      const earlier = findEarlier(await this.listInstances(signal), attrs);
      const cloudId = earlier?.cloudId ?? toCloudId(attrs.attemptKey);
      const adopted = !(await this.#add(cloudId, attrs, earlier !== undefined));
      const instance = await this.#inTurn(cloudId, async (record) => {
        if ((await this.#statusOf(record)).isUnborn) await this.supervision.begin(cloudId);
        return await this.#toInstance(record);
      });
      this.onCreateAnswered();
      return { outcome: 'exists', instance, adopted };
    } catch (error) {
      const failure = toError('createInstance', attrs.refId, error).fact;
      // Up to here nothing lives but, perhaps, a folder: and that is found by the next look, as any machine is.
      return { outcome: failure.kind === 'Internal' ? 'unknown' : 'refused', failure };
    }
  }

  async #add(cloudId: CloudId, attrs: CreateInstanceAttrs, exists: boolean): Promise<boolean> {
    if (exists) return false;
    const rules = normaliseRules(attrs.firewallRules);
    const taken = new Set((await this.store.list()).map(({ network }) => network.block));
    const { refId, attemptKey, name, tags, publicKeys, userDataBase64 } = attrs;
    return await this.store.add({
      record: {
        cloudId,
        refId,
        cloudCredRefId: this.cloudCredRefId,
        attemptKey,
        name,
        createdAt: toIsoTime(Date.now()),
        tags,
        wanted: 'running',
        network: findNetwork(this.store.stateDir, cloudId, taken),
        rules,
      },
      publicKeys,
      firewallScript: this.firewall === 'host' ? atFirstBoot(renderLaunchScript(rules)) : renderLaunchScript(rules),
      ...(userDataBase64 !== undefined && { userData: toText(userDataBase64) }),
    });
  }

  async getInstance(cloudId: CloudId): Promise<CloudInstance> {
    return await this.#perform(
      'getInstance',
      cloudId,
      async () => await this.#toInstance(await this.#mustFind(cloudId)),
    );
  }

  async listInstances(_signal: AbortSignal): Promise<CloudInstance[]> {
    return await this.#perform('listInstances', this.cloudCredRefId, async () => {
      const mine = (await this.store.list()).filter(({ cloudCredRefId }) => cloudCredRefId === this.cloudCredRefId);
      return await Promise.all(mine.map((record) => this.#toInstance(record)));
    });
  }

  /** Resolves when it is gone. Interrupted, it shows as `terminating` until somebody asks again. */
  async terminateInstance(cloudId: CloudId): Promise<void> {
    await this.#perform('terminateInstance', cloudId, async () => {
      if (!(await this.store.find(cloudId))) return;
      await this.#inTurn(cloudId, async (record) => {
        await this.store.save({ ...record, wanted: 'terminated' });
        await this.supervision.end(cloudId);
        await this.store.remove(cloudId);
      }).catch(async (error: unknown) => {
        if (await this.store.find(cloudId)) throw error; // else another worker was quicker
      });
    });
  }

  async stopInstance(cloudId: CloudId): Promise<void> {
    await this.#change('stopInstance', cloudId, async (record) => {
      await this.store.save({ ...record, wanted: 'stopped' });
      await this.supervision.signal(cloudId, 'SIGTERM');
    });
  }

  async startInstance(cloudId: CloudId): Promise<void> {
    await this.#change('startInstance', cloudId, async (record) => {
      const { status } = await this.#statusOf(record);
      if (status === 'running' || status === 'pending') return;
      if (status === 'stopping') throw refusal('NotYet', 'startInstance', `${cloudId} is still stopping`);
      await this.store.save({ ...record, wanted: 'running', network: await this.#networkOf(record) });
      await this.supervision.begin(cloudId);
    });
  }

  async rebootInstance(cloudId: CloudId): Promise<void> {
    await this.#change('rebootInstance', cloudId, async (record) => {
      const { status } = await this.#statusOf(record);
      if (status === 'pending') return; // it boots
      if (status !== 'running') throw refusal('InvalidRequest', 'rebootInstance', `${cloudId} is ${status}`);
      await this.supervision.signal(cloudId, 'SIGUSR1');
    });
  }

  /**
   * Single commands on the running firewall: a reset would leave the host open for as long as it takes. The next boot
   * begins with the whole script.
   */
  async setFirewallRules(
    cloudId: CloudId,
    _location: string,
    wanted: FirewallRules,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.firewall === 'host') throw notSupported(ID, 'setFirewallRules', 'the firewall is the host’s own');
    await this.#change('setFirewallRules', cloudId, async (record) => {
      const rules = normaliseRules(wanted);
      const { rules: known, doubtful } = record;
      const current = eitherRules(doubtful, known);
      const { add, revoke } = {
        add: diffRules(doubtful ? NO_RULES : known, rules).add,
        revoke: diffRules(current, rules).revoke,
      };
      const changes = [
        ...this.#toChanges(cloudId, 'open', add, signal),
        ...this.#toChanges(cloudId, 'close', revoke, signal),
      ];
      if (changes.length === 0) return;
      await this.store.save({ ...record, doubtful: eitherRules(current, rules) });
      await this.store.write(cloudId, FILES.firewall, renderLaunchScript(rules));
      await changeRules(changes, (error) => toError('setFirewallRules', cloudId, error));
      await this.supervision.run(cloudId, dockerFirewall(rules), signal);
      await this.store.save({ ...record, rules, doubtful: undefined });
    });
  }

  #toChanges(cloudId: CloudId, change: 'open' | 'close', rules: FirewallRules, signal: AbortSignal): RuleChange[] {
    return (['ingressRules', 'egressRules'] as const).flatMap((side) =>
      rules[side].map((rule) => ({
        change,
        rule,
        run: async () => {
          await this.supervision.run(cloudId, ufwRuleCommands(change, side, rule).join('\n'), signal);
        },
      })),
    );
  }

  async updateTags(cloudId: CloudId, _location: string, tags: Record<string, string>): Promise<void> {
    await this.#change('updateTags', cloudId, (record) => this.store.save({ ...record, tags }));
  }

  async changeInstanceType(): Promise<void> {
    throw notSupported(ID, 'changeInstanceType', 'there is one type');
  }

  async resizeVolume(): Promise<void> {
    throw notSupported(ID, 'resizeVolume', 'a host has no disk of its own');
  }

  async listInstanceTypes(): Promise<InstanceType[]> {
    return [
      {
        id: toInstanceTypeId(LOCATION, undefined, TYPE),
        instanceType: TYPE,
        location: LOCATION,
        isAvailable: impossible() === undefined,
        pricePerHour: { amount: '0', currency: 'USD' },
        gpus: [],
        architecture: process.arch === 'x64' ? 'x86_64' : process.arch === 'arm64' ? 'arm64' : 'unknown',
        capabilities: [...this.#abilities],
      },
    ];
  }

  async listLocations(): Promise<string[]> {
    return [LOCATION];
  }

  async #statusOf({ cloudId, wanted }: MachineRecord): Promise<{ status: LifecycleStatus; isUnborn?: boolean }> {
    const isUp = (await this.supervision.pid(cloudId)) !== undefined;
    if (wanted === 'terminated') return { status: 'terminating' };
    if (wanted === 'stopped') return { status: isUp ? 'stopping' : 'stopped' };
    const state = (await this.store.read(cloudId, FILES.state))?.trim();
    if (state === undefined) return { status: 'pending', isUnborn: true };
    if (isUp) return { status: state === 'running' ? 'running' : 'pending' };
    // Without a supervisor: the boot failed, or the host was cut off, by a power cut or by hand.
    return { status: state === 'failed' ? 'failed' : 'stopped' };
  }

  async #toInstance(record: MachineRecord): Promise<CloudInstance> {
    const { cloudId, refId, cloudCredRefId, attemptKey, name, createdAt, tags, network } = record;
    const { status } = await this.#statusOf(record);
    return {
      cloudId,
      refId,
      cloudCredRefId,
      attemptKey,
      name,
      status,
      ...(status === 'failed' && { statusMessage: await this.supervision.lastWords(cloudId) }),
      location: LOCATION,
      instanceType: TYPE,
      instanceTypeId: toInstanceTypeId(LOCATION, undefined, TYPE),
      ...(status === 'running' && { publicAddress: network.theirs }),
      sshUser: 'root',
      sshPort: 22,
      createdAt,
      tags,
      capabilities: [...this.#abilities],
      pricePerHour: { amount: '0', currency: 'USD' },
    };
  }

  /** While it stood still somebody else may have taken its addresses. */
  async #networkOf({ cloudId, network }: MachineRecord): Promise<MachineRecord['network']> {
    if (isFree(network)) return network;
    const taken = new Set((await this.store.list()).map(({ network: { block } }) => block));
    return findNetwork(this.store.stateDir, cloudId, taken);
  }

  async #mustFind(cloudId: CloudId): Promise<MachineRecord> {
    const record = await this.store.find(cloudId);
    if (record?.cloudCredRefId === this.cloudCredRefId) return record;
    throw refusal('InstanceNotFound', 'getInstance', `there is no host ${cloudId}`);
  }

  async #change(operation: Operation, cloudId: CloudId, work: (record: MachineRecord) => Promise<void>): Promise<void> {
    await this.#perform(operation, cloudId, () => this.#inTurn(cloudId, work));
  }

  async #inTurn<T>(cloudId: CloudId, work: (record: MachineRecord) => Promise<T>): Promise<T> {
    const before = this.#turns.get(cloudId) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(async () => await work(await this.#mustFind(cloudId)));
    this.#turns.set(cloudId, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(cloudId) === turn) this.#turns.delete(cloudId);
    }
  }

  async #perform<T>(operation: Operation, about: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toError(operation, about, error);
    }
  }
}

function toCloudId(attemptKey: string): CloudId {
  return `host-${createHash('sha256').update(attemptKey).digest('hex').slice(0, 16)}`;
}

/** What either allows, rule by rule as it was given: UFW deletes nothing that is named otherwise. */
function eitherRules(a: FirewallRules | undefined, b: FirewallRules): FirewallRules {
  const join = (side: keyof FirewallRules) => {
    const all = [...(a?.[side] ?? []), ...b[side]].map((rule) => JSON.stringify(rule));
    return [...new Set(all)].map((text) => JSON.parse(text) as FirewallRules[typeof side][number]);
  };
  return { ingressRules: join('ingressRules'), egressRules: join('egressRules') };
}

/** The chain for published container ports, written anew and run: on a host without Docker it is one nobody enters. */
function dockerFirewall(rules: FirewallRules): string {
  return `cat >${DOCKER_SCRIPT} <<'SLIPWAY_END_OF_FILE'\n${renderDockerScript(rules)}SLIPWAY_END_OF_FILE\n${DOCKER_SCRIPT} || true\n`;
}

/** As cloud-init does it: later boots bring up what is in /etc/ufw by then, which is ufw.service's work elsewhere. */
function atFirstBoot(script: string): string {
  return [
    '#!/bin/sh',
    'booted=/etc/slipway-booted',
    'if [ -e "$booted" ]; then',
    '  /lib/ufw/ufw-init start quiet',
    `  ${DOCKER_SCRIPT} || true`,
    '  exit 0',
    'fi',
    script,
  ]
    .join('\n')
    .replace(/^exit "\$failed"$/m, 'touch "$booted"\nexit "$failed"');
}

/** What cannot be expressed is refused by name before anything is made. @throws {ProviderError} */
function mustBePossible({ location, instanceType, imageId, diskSize, userDataBase64 }: CreateInstanceAttrs): void {
  const operation = 'createInstance';
  const why = impossible();
  if (why) throw notSupported(ID, operation, why);
  if (imageId !== undefined)
    throw notSupported(ID, operation, 'there are no images: a host is a copy of this computer');
  if (diskSize !== undefined) throw notSupported(ID, operation, 'a host has no disk of its own');
  if (location !== LOCATION || instanceType !== TYPE) {
    throw refusal('InvalidRequest', operation, `there is only ${TYPE} at ${LOCATION}`);
  }
  if (userDataBase64 !== undefined && !toText(userDataBase64).startsWith('#!')) {
    throw refusal(
      'InvalidRequest',
      operation,
      'userDataBase64 must be a script, beginning with #!: there is no cloud-init',
    );
  }
}

function impossible(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = TOOLS.filter((tool) => !FOLDERS.some((folder) => existsSync(`${folder}/${tool}`)));
  return missing.length > 0 ? `needs ${missing.join(', ')}` : undefined;
}

function refusal(kind: ErrorKind, operation: Operation, message: string): ProviderError {
  return new ProviderError({ kind, operation, message: `${ID}: ${operation}: ${message}` });
}

/** What a program of ours says that failed is no answer of a provider: it may go better next time. */
function toError(operation: Operation, about: string, error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  if (error instanceof TypeError)
    return toProviderError(error, { provider: ID, operation, about, judge: () => ({ kind: 'InvalidRequest' }) });
  const why = error instanceof Error ? error.message : String(error);
  return new ProviderError({ kind: 'Internal', operation, message: `${ID}: ${operation} of ${about}: ${why}` }, error);
}
