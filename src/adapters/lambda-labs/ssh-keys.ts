import type { CreateInstanceAttrs, ProviderLimits } from '../../domain/provider.js';
import { HttpFailure } from '../http-failure.js';
import type { LambdaClient, LambdaInstance, LambdaSshKey } from './client.js';
import { keyNameOf, keyNamePrefix } from './identity.js';
import { STATUS } from './mapping.js';

/*
 * SSH keys are things of their own at Lambda: a launch names one, and nobody takes it away with the machine.
 *
 * Ours are told by their names (`identity.ts`). One is removed
 * - at once when its create was refused;
 * - with the first listing that shows its machine on its way out, or gone;
 * - when no machine has used it in every listing for `ORPHAN_MS`, or (after a create without an answer) once the
 *   listing lag has passed: a worker died between the key and the launch, or the machine went unseen.
 * A key that any other machine of the account was launched with stays. What fails here is tried again with a later
 * listing; nobody waits for it, and no listing fails for it.
 */

/** Longer than any create takes, its retries and its place in the queue included. */
const ORPHAN_MS = 3_600_000;
/** How often to look for orphans, in ms: one call each. */
const LOOK_EVERY_MS = 600_000;
/** How long a refused create waits for its key to be gone; a listing later does the rest. */
const UNDO_MS = 10_000;

export interface KeyTiming {
  orphanMs?: number;
  lookEveryMs?: number;
}

/** A key that a launch may name; let go of once the launch is answered. */
export interface HeldKey {
  name: string;
  /** `undo`: the launch was refused. `doubt`: nobody knows. `keep`: the machine exists. */
  release(outcome: 'undo' | 'doubt' | 'keep'): Promise<void>;
}

export class SshKeys {
  readonly #client: LambdaClient;
  readonly #prefix: string;
  readonly #listingLagMs: number;
  readonly #orphanMs: number;
  readonly #lookEveryMs: number;
  /** Launches of this process that are under way, by key name. */
  readonly #held = new Map<string, number>();
  /** When each unused key may go, by name; epoch ms. */
  readonly #dueAt = new Map<string, number>();
  readonly #gone = new Set<string>();
  #nextLookAt: number;
  #tidying: Promise<void> | undefined;

  constructor(client: LambdaClient, cloudCredRefId: string, limits: ProviderLimits, timing: KeyTiming = {}) {
    this.#client = client;
    this.#prefix = keyNamePrefix(cloudCredRefId);
    this.#listingLagMs = limits.listingLagMs;
    this.#orphanMs = timing.orphanMs ?? ORPHAN_MS;
    this.#lookEveryMs = timing.lookEveryMs ?? LOOK_EVERY_MS;
    this.#nextLookAt = Date.now() + this.#lookEveryMs;
  }

  /** Adds the key, or finds it added before. A name that another key has taken is left alone, for another name. */
  async hold(attrs: CreateInstanceAttrs, publicKey: string, signal: AbortSignal): Promise<HeldKey> {
    const names = [keyNameOf(attrs), keyNameOf(attrs, publicKey)];
    for (const name of names) this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
    const letGo = (): void => {
      for (const name of names) this.#letGo(name);
    };
    try {
      const { key, isNew } = await this.#add(names, publicKey, signal);
      return {
        name: key.name,
        release: async (outcome) => {
          letGo();
          if (outcome === 'keep') return;
          // One that was there before may be that of a machine which no listing shows yet.
          if (outcome === 'undo' && isNew && (await this.#undo(key))) return;
          this.#dueAt.set(key.name, Date.now() + this.#listingLagMs);
        },
      };
    } catch (error) {
      letGo();
      for (const name of names) this.#dueAt.set(name, Date.now() + this.#listingLagMs);
      throw error;
    }
  }

  /**
   * To be told of every complete listing of the account.
   * @param startedAt When it was asked for, epoch ms.
   */
  afterListing(instances: readonly LambdaInstance[], startedAt: number): void {
    const { used, ended } = this.#uses(instances);
    const due = [...ended].filter((name) => !this.#gone.has(name));
    const overdue = [...this.#dueAt].filter(([name, at]) => at <= startedAt && !used.has(name));
    const isTime = startedAt >= this.#nextLookAt;
    if (this.#tidying || (due.length === 0 && overdue.length === 0 && !isTime)) return;
    this.#nextLookAt = startedAt + this.#lookEveryMs;
    this.#tidying = this.#tidy(used, new Set(due), startedAt)
      .catch(() => undefined) // the next listing tries again
      .finally(() => {
        this.#tidying = undefined;
      });
  }

  /** Resolves when what the last listing began is done. */
  async settled(): Promise<void> {
    await this.#tidying;
  }

  async #tidy(used: ReadonlySet<string>, ended: ReadonlySet<string>, startedAt: number): Promise<void> {
    const signal = new AbortController().signal;
    const keys = await this.#client.listSshKeys('catalog', signal);
    const names = new Set(keys.map(({ name }) => name));
    for (const name of ended) if (!names.has(name)) this.#gone.add(name);
    for (const name of this.#dueAt.keys()) if (!names.has(name)) this.#dueAt.delete(name);
    for (const key of keys.filter(({ name }) => name.startsWith(this.#prefix))) {
      if (used.has(key.name) || this.#held.has(key.name)) this.#dueAt.delete(key.name);
      else if (ended.has(key.name) || this.#isDue(key.name, startedAt)) await this.#remove(key, signal);
    }
  }

  #isDue(name: string, startedAt: number): boolean {
    const dueAt = this.#dueAt.get(name);
    if (dueAt === undefined) this.#dueAt.set(name, startedAt + this.#orphanMs);
    return dueAt !== undefined && dueAt <= startedAt;
  }

  /** Names that some machine still needs, and those of ours that only machines on their way out have. */
  #uses(instances: readonly LambdaInstance[]): { used: Set<string>; ended: Set<string> } {
    const isEnding = ({ status = '' }: LambdaInstance): boolean => /^terminat/.test(STATUS[status] ?? '');
    const namesOf = (some: readonly LambdaInstance[]): string[] => some.flatMap((one) => one.ssh_key_names);
    const used = new Set(namesOf(instances.filter((instance) => !isEnding(instance))));
    const ended = namesOf(instances.filter(isEnding)).filter((name) => name.startsWith(this.#prefix));
    return { used, ended: new Set(ended.filter((name) => !used.has(name) && !this.#held.has(name))) };
  }

  async #add(
    names: readonly string[],
    publicKey: string,
    signal: AbortSignal,
  ): Promise<{ key: LambdaSshKey; isNew: boolean }> {
    let refusal: unknown;
    for (const name of names) {
      try {
        return { key: await this.#client.addSshKey(name, publicKey, signal), isNew: true };
      } catch (error) {
        // No code is promised for a name that is taken: look, whatever the refusal.
        if (!(error instanceof HttpFailure) || ![400, 409, 422].includes(error.status ?? 0)) throw error;
        refusal = error;
      }
      const taken = (await this.#client.listSshKeys('provision', signal)).find((key) => key.name === name);
      if (!taken) throw refusal;
      if (isSameKey(taken.public_key, publicKey)) return { key: taken, isNew: false };
    }
    throw refusal;
  }

  async #undo(key: LambdaSshKey): Promise<boolean> {
    try {
      await this.#remove(key, AbortSignal.timeout(UNDO_MS));
      return true;
    } catch {
      return false;
    }
  }

  async #remove({ id, name }: LambdaSshKey, signal: AbortSignal): Promise<void> {
    try {
      await this.#client.deleteSshKey(id, 'provision', signal);
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.status !== 404 || typeof error.body === 'string') throw error;
    }
    this.#dueAt.delete(name);
    this.#gone.add(name);
  }

  #letGo(name: string): void {
    const left = (this.#held.get(name) ?? 1) - 1;
    if (left > 0) this.#held.set(name, left);
    else this.#held.delete(name);
  }
}

/** Type and body alone count: a comment does not make another key. */
function isSameKey(a: string, b: string): boolean {
  const bare = (line: string): string => line.trim().split(/\s+/).slice(0, 2).join(' ');
  return bare(a) === bare(b);
}
