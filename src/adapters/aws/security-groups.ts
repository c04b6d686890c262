import { ProviderError } from '../../domain/errors.js';
import type { FirewallRules } from '../../domain/firewall.js';
import { type IsoTime, toIsoTime } from '../../domain/ids.js';
import {
  type CreateInstanceAttrs,
  IDENTITY_TAGS,
  type ProviderLimits,
  type SideResource,
} from '../../domain/provider.js';
import { HttpFailure } from '../http-failure.js';
import { keyNameOf } from '../key-names.js';
import { collectPages } from '../pages.js';
import type { Priority } from '../rate-limiter.js';
import { changeRules, type RuleChange } from '../rule-changes.js';
import type { At, Direction, Ec2Client, Ec2Group } from './client.js';
import { codeOf } from './errors.js';
import {
  byPorts,
  type FlatPermission,
  flatten,
  isEverything,
  missingFrom,
  SSH,
  toFlat,
  toPermissions,
  toRule,
} from './permissions.js';
import { OUR_TAGS, toTagList } from './tags.js';

/*
 * A machine's firewall: a security group of its own, made before it and deleted after it. EC2 takes none away by itself,
 * and refuses to delete one in use, which is what makes deleting safe. A group of ours goes
 * - at once when its create was refused, or its rules were;
 * - when its machine is terminated: until the group is gone too, the machine is shown as still terminating, so that
 *   whoever waits for the end waits for all of it;
 * - when no machine of its attempt is in a complete listing, an hour after it was made or (after a create without an
 *   answer) past the listing lag: a worker died between the group and the machine, or the machine went unseen.
 * Tags say whose it is and when it was made, so any worker can do that.
 */

/** A listed machine, as far as groups care. */
export interface GroupUser {
  attemptKey?: string;
  isTerminated: boolean;
}

export interface GroupTiming {
  orphanMs?: number;
  lookEveryMs?: number;
}

/** Longer than any create takes, its retries and its place in the queue included. */
const ORPHAN_MS = 3_600_000;
const LOOK_EVERY_MS = 600_000;
/** How long a refused create waits for its group to be gone; a listing later does the rest. */
const UNDO_MS = 10_000;
const GONE = new Set(['InvalidGroup.NotFound', 'InvalidSecurityGroupID.NotFound']);

export interface HeldGroup {
  id: string;
  /** The same for every create of this attempt: EC2 takes a client token again only with the very same request. */
  createdAt: IsoTime;
  /** `undo`: the create was refused. `doubt`: nobody knows. `keep`: the machine exists. */
  release(outcome: 'undo' | 'doubt' | 'keep'): Promise<void>;
}

export class SecurityGroups {
  readonly #client: Ec2Client;
  readonly #cloudCredRefId: string;
  readonly #limits: ProviderLimits;
  readonly #orphanMs: number;
  readonly #lookEveryMs: number;
  /** Creates of this process that are under way, by attempt. */
  readonly #held = new Map<string, number>();
  /** Where and when (epoch ms) the group of an attempt may go whose create went unanswered; until it was looked for there. */
  readonly #due = new Map<string, { region: string; at: number }>();
  /** Attempts whose machine and group are known to be gone. */
  readonly #gone = new Set<string>();
  /** By region; epoch ms. */
  readonly #nextLookAt = new Map<string, number>();

  constructor(client: Ec2Client, cloudCredRefId: string, limits: ProviderLimits, timing: GroupTiming = {}) {
    this.#client = client;
    this.#cloudCredRefId = cloudCredRefId;
    this.#limits = limits;
    this.#orphanMs = timing.orphanMs ?? ORPHAN_MS;
    this.#lookEveryMs = timing.lookEveryMs ?? LOOK_EVERY_MS;
  }

  /** Makes the group of this attempt, or finds it made before, with the rules that are asked for. */
  async hold(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<HeldGroup> {
    const { attemptKey, location: region } = attrs;
    this.#held.set(attemptKey, (this.#held.get(attemptKey) ?? 0) + 1);
    const letGo = (isDoubtful: boolean): void => {
      const left = (this.#held.get(attemptKey) ?? 1) - 1;
      if (left > 0) this.#held.set(attemptKey, left);
      else this.#held.delete(attemptKey);
      if (isDoubtful) this.#due.set(attemptKey, { region, at: Date.now() + this.#limits.listingLagMs });
    };
    let made: Made | undefined;
    const release: HeldGroup['release'] = async (outcome) => {
      // One that was there before may be that of a machine which no listing shows yet.
      const isUndone = outcome === 'undo' && made?.isNew && (await this.#undo({ region, id: made.group.GroupId }));
      letGo(outcome !== 'keep' && !isUndone);
    };
    try {
      made = await this.#make(attrs, signal);
      await this.#setRules(region, made.group, attrs.firewallRules, signal);
      return { id: made.group.GroupId, createdAt: made.createdAt, release };
    } catch (error) {
      await release('undo');
      throw error;
    }
  }

  /** Opens before it closes, so that what both old and new rules allow is never interrupted. */
  async setRules(
    at: At,
    rules: FirewallRules,
    toError: (error: unknown) => ProviderError,
    signal: AbortSignal,
  ): Promise<void> {
    const [group] = await this.#find(at.region, [{ Name: 'group-id', Values: [at.id] }], 'provision', signal);
    if (!group) throw new ProviderError({ kind: 'ResourceNotFound', message: `aws: there is no group ${at.id}` });
    await changeRules(this.#changes(at.region, group, rules, signal), toError);
  }

  /**
   * To be told of every complete listing of a region. Deletes what is due.
   * @param startedAt When it was asked for, epoch ms.
   * @returns the attempts whose machine is terminated, and whose group is still there (or may be).
   */
  async settle(region: string, users: readonly GroupUser[], startedAt: number): Promise<Set<string>> {
    const alive = new Set(users.flatMap(({ attemptKey, isTerminated }) => (isTerminated ? [] : (attemptKey ?? []))));
    const ended = new Set(
      users
        .flatMap(({ attemptKey, isTerminated }) => (isTerminated ? (attemptKey ?? []) : []))
        .filter((attempt) => !alive.has(attempt) && !this.#gone.has(attempt)),
    );
    const isTime = startedAt >= (this.#nextLookAt.get(region) ?? 0);
    const due = [...this.#due].flatMap(([attempt, one]) =>
      one.region === region && one.at <= startedAt && !alive.has(attempt) ? [attempt] : [],
    );
    if (ended.size === 0 && due.length === 0 && !isTime) return ended;
    try {
      const signal = new AbortController().signal;
      const groups = await this.#ours(region, [], 'end', signal);
      this.#nextLookAt.set(region, startedAt + this.#lookEveryMs);
      const left = new Set(ended);
      const present = new Set(groups.map(attemptOf));
      for (const attempt of ended) if (!present.has(attempt)) this.#isGone(attempt, left);
      for (const attempt of due) if (!present.has(attempt)) this.#due.delete(attempt);
      for (const group of groups) {
        const attempt = attemptOf(group);
        if (attempt === undefined || alive.has(attempt) || this.#held.has(attempt)) continue;
        if (!ended.has(attempt) && !this.#isOrphan(group, attempt, startedAt)) continue;
        if (await this.#delete({ region, id: group.GroupId }, signal)) this.#isGone(attempt, left);
      }
      return left;
    } catch {
      return ended; // the next listing tries again
    }
  }

  /** The same for one terminated machine that was looked at. @returns whether its group is gone. */
  async settleOne(region: string, attemptKey: string, signal: AbortSignal): Promise<boolean> {
    if (this.#gone.has(attemptKey)) return true;
    try {
      const filter = { Name: `tag:${IDENTITY_TAGS.attemptKey}`, Values: [attemptKey] };
      const groups = await this.#ours(region, [filter], 'end', signal);
      for (const { GroupId: id } of groups) if (!(await this.#delete({ region, id }, signal))) return false;
      this.#isGone(attemptKey, new Set());
      return true;
    } catch {
      return false;
    }
  }

  async listOurs(region: string, signal: AbortSignal): Promise<SideResource[]> {
    const groups = await this.#ours(region, [], 'read', signal);
    return groups.map((group) => {
      const refId = tagOf(group, IDENTITY_TAGS.refId);
      return { kind: 'security-group', name: `${region}/${group.GroupId}`, ...(refId && { refId }) };
    });
  }

  #isGone(attempt: string, left: Set<string>): void {
    this.#gone.add(attempt);
    this.#due.delete(attempt);
    left.delete(attempt);
  }

  #isOrphan(group: Ec2Group, attempt: string, startedAt: number): boolean {
    const due = this.#due.get(attempt);
    if (due !== undefined) return due.at <= startedAt;
    const madeAt = Date.parse(tagOf(group, OUR_TAGS.createdAt) ?? '');
    return Number.isNaN(madeAt) || madeAt + this.#orphanMs <= startedAt;
  }

  async #make(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<Made> {
    const { refId, cloudCredRefId, attemptKey, location: region } = attrs;
    const name = keyNameOf(attrs);
    const createdAt = toIsoTime(Date.now());
    const tags = toTagList({}, { refId, cloudCredRefId, attemptKey, createdAt });
    const description = `Slipway: ${refId}`;
    try {
      const id = await this.#client.createGroup({ region, name, description, tags }, signal);
      return { group: { GroupId: id, GroupName: name }, isNew: true, createdAt };
    } catch (error) {
      if (!(error instanceof HttpFailure) || codeOf(error) !== 'InvalidGroup.Duplicate') throw error;
      const filters = [
        { Name: 'group-name', Values: [name] },
        { Name: `tag:${IDENTITY_TAGS.attemptKey}`, Values: [attemptKey] },
      ];
      const [group] = await this.#ours(region, filters, 'provision', signal);
      if (!group) throw error;
      return { group, isNew: false, createdAt: tagOf(group, OUR_TAGS.createdAt) ?? createdAt };
    }
  }

  async #setRules(region: string, group: Ec2Group, rules: FirewallRules, signal: AbortSignal): Promise<void> {
    for (const { run } of this.#changes(region, group, rules, signal)) await run();
  }

  /** @param group As listed; a new one has no rules yet. */
  #changes(region: string, group: Ec2Group, rules: FirewallRules, signal: AbortSignal): RuleChange[] {
    const at = { region, id: group.GroupId };
    const sides = [
      { direction: 'ingress', present: flatten(group.IpPermissions), wanted: [...SSH, ...toFlat(rules.ingressRules)] },
      { direction: 'egress', present: flatten(group.IpPermissionsEgress), wanted: toFlat(rules.egressRules) },
    ] as const;
    const opening = sides.flatMap(({ direction, present, wanted }) =>
      byPorts(missingFrom(present, wanted)).map((flat) => ({
        change: 'open' as const,
        rule: toRule(flat),
        run: () => this.#open(at, direction, flat, signal),
      })),
    );
    const closing = sides.flatMap(({ direction, present, wanted }) =>
      byPorts(missingFrom(wanted, present).filter((flat) => direction === 'ingress' || !isEverything(flat))).map(
        (flat) => ({
          change: 'close' as const,
          rule: toRule(flat),
          run: () => this.#close(at, direction, flat, signal),
        }),
      ),
    );
    return [...opening, ...closing];
  }

  /** One that is there already spoils the whole call: then each goes alone. */
  async #open(at: At, direction: Direction, flat: FlatPermission[], signal: AbortSignal): Promise<void> {
    const one = (part: FlatPermission[]) => this.#client.allow(at, direction, toPermissions(part), signal);
    await each(flat, one, 'InvalidPermission.Duplicate');
  }

  async #close(at: At, direction: Direction, flat: FlatPermission[], signal: AbortSignal): Promise<void> {
    const one = (part: FlatPermission[]) => this.#client.revoke(at, direction, toPermissions(part), signal);
    await each(flat, one, 'InvalidPermission.NotFound');
  }

  async #undo(at: At): Promise<boolean> {
    return await this.#delete(at, AbortSignal.timeout(UNDO_MS)).catch(() => false);
  }

  /** @returns whether it is gone; not while a machine still has it. */
  async #delete(at: At, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#client.deleteGroup(at, signal);
      return true;
    } catch (error) {
      return error instanceof HttpFailure && GONE.has(codeOf(error) ?? '');
    }
  }

  #ours(region: string, filters: Filter[], priority: Priority, signal: AbortSignal): Promise<Ec2Group[]> {
    const ours = { Name: `tag:${IDENTITY_TAGS.cloudCredRefId}`, Values: [this.#cloudCredRefId] };
    return this.#find(region, [ours, ...filters], priority, signal);
  }

  async #find(region: string, filters: Filter[], priority: Priority, signal: AbortSignal): Promise<Ec2Group[]> {
    return await collectPages({
      provider: 'aws',
      operation: 'listSecurityGroups',
      getPage: (pageToken) => this.#client.listGroups({ region, filters, pageToken }, priority, signal),
      idOf: ({ GroupId }) => GroupId,
    });
  }
}

interface Made {
  group: Ec2Group;
  isNew: boolean;
  createdAt: IsoTime;
}

interface Filter {
  Name: string;
  Values: string[];
}

async function each(
  flat: FlatPermission[],
  call: (part: FlatPermission[]) => Promise<void>,
  harmless: string,
): Promise<void> {
  try {
    await call(flat);
  } catch (error) {
    if (!(error instanceof HttpFailure) || codeOf(error) !== harmless) throw error;
    if (flat.length > 1) for (const part of flat) await each([part], call, harmless);
  }
}

function attemptOf(group: Ec2Group): string | undefined {
  return tagOf(group, IDENTITY_TAGS.attemptKey);
}

function tagOf({ Tags = [] }: Ec2Group, key: string): string | undefined {
  return Tags.find(({ Key }) => Key === key)?.Value;
}
