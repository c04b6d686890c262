import type { InstanceRequestInput, InstanceView, Phase } from '../../client/index.js';
import { ERRORS } from '../../domain/errors.js';
import { toEpochMs } from '../../domain/ids.js';
import { until } from '../../temporal/until.js';
import { follow } from '../watch/follow.js';
import { type PhaseEntry, PhaseLog } from '../watch/phase-log.js';
import type { Wanted } from '../watch/verdict.js';
import { sshLogin } from './ssh-login.js';
import type { Stage } from './stage.js';
import type { Scene } from './story.js';

export type DemoOffer = [location: string, instanceType: string];

/** One instance of the demo, and the scene that tells of it. */
export class Actor {
  readonly refId: string;
  private readonly log = new PhaseLog();
  /** Phases that were told so far. */
  readonly told = new Set<Phase>();
  private seq = 0;

  constructor(
    private readonly stage: Stage,
    name: string,
  ) {
    this.refId = stage.refId(name);
  }

  async provision(offers: readonly DemoOffer[]): Promise<void> {
    const { client, cloudCredRefId, user } = this.stage;
    const request: InstanceRequestInput = {
      refId: this.refId,
      name: this.refId,
      publicKey: user.publicKey,
      offers: offers.map(([location, instanceType]) => ({ cloudCredRefId, location, instanceType })),
      firewallRules: { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }] },
    };
    await client.provision(request);
  }

  /** Tells each phase as it begins, until the wanted one. @throws {SlipwayError} Stuck */
  async reach(wanted: Wanted, scene: Scene): Promise<InstanceView> {
    return await follow(this.stage.client, this.refId, {
      wanted,
      timeoutMs: 60_000,
      onLook: ({ view, events }) => {
        // A second wait looks from the first event again: what was told is not told twice.
        const news = events.filter(({ seq }) => seq > this.seq);
        this.seq = events.at(-1)?.seq ?? this.seq;
        for (const entry of this.log.take(news, view)) {
          scene.tell(this.toLine(entry), toEpochMs(entry.at));
          this.told.add(entry.phase);
        }
      },
    });
  }

  /** Quietly: what ending looks like is told once for all. */
  async ended(): Promise<InstanceView> {
    return await follow(this.stage.client, this.refId, { wanted: 'terminated', timeoutMs: 60_000 });
  }

  /** Logs in with the user's key, and shows it. */
  async login(view: InstanceView, scene: Scene): Promise<void> {
    const command = 'nvidia-smi -L';
    const output = await sshLogin(view, this.stage.user.privateKey, command);
    if (!output) throw new Error(`${this.refId} let us in, and said nothing to ${command}.`);
    scene.tell(`$ ssh ${view.sshUser}@${view.address} ${command}`);
    scene.add(output.split('\n')[0] ?? '');
  }

  /** What the cloud itself says it made for this instance. */
  async machines() {
    const ledger = await this.stage.cloud.control.ledger();
    return ledger.filter(({ tags }) => tags.refId === this.refId);
  }

  /** Resolves once its create is under way and told, and the cloud has made the machine, though it did not say so yet. */
  async machineExists(): Promise<void> {
    const what = `the machine of ${this.refId}`;
    const isThere = async () => this.told.has('creating') && (await this.machines()).length > 0;
    await until(isThere, { what, withinMs: 60_000, everyMs: 20 });
  }

  async expectOneMachine(scene: Scene): Promise<void> {
    const { length } = await this.machines();
    if (length !== 1) throw new Error(`The cloud made ${length} machines for ${this.refId}, not one.`);
    scene.tell('The cloud’s ledger: one machine was made for this instance.');
  }

  /** A refusal is its kind here; and the credential has a name of this run, which tells nothing. */
  private toLine({ phase, note, failureKind, begins }: PhaseEntry): string {
    if (failureKind && begins) return `${phase.padEnd(12)} after ${failureKind}`;
    const text = failureKind ? ERRORS[failureKind].meaning : note.replaceAll(`${this.stage.cloudCredRefId}/`, '');
    return `${(begins ? phase : '').padEnd(12)} ${text}`.trimEnd();
  }
}
