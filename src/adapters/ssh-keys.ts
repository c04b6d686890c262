import type { CreateInstanceAttrs, ProviderLimits, SideResource } from '../domain/provider.js';
import type { Held } from './held-create.js';
import { HttpFailure } from './http-failure.js';
import { keyNameOf, keyNamePrefix, readKeyName } from './key-names.js';
import type { Priority } from './rate-limiter.js';

/*
 * At some vendors SSH keys are things of their own: a create names one, and nobody takes it away with the machine.
 *
 * Ours are told by their names (`key-names.ts`). One is removed
 * - at once when its create was refused;
 * - with the first listing that shows its machine on its way out, or gone;
 * - when no machine has used it in every listing for `ORPHAN_MS`, or (after a create without an answer) once the
 *   listing lag has passed: a worker died between the key and the create, or the machine went unseen.
 * A key that any other listed machine was made with stays. What fails here is tried again with a later listing; nobody
 * waits for it, and no listing fails for it.
 */

/** A vendor's keys. Ids are the vendor's. */
export interface KeyStore {
  add(name: string, publicKey: string, signal: AbortSignal): Promise<StoredKey>;
  list(priority: Priority, signal: AbortSignal): Promise<StoredKey[]>;
  /** @throws {HttpFailure} */
  remove(keyId: string, priority: Priority, signal: AbortSignal): Promise<void>;
  /** Whether this refusal of an `add` may mean that the name is taken: then we look. */
  mayBeTaken(refusal: HttpFailure): boolean;
}

export interface StoredKey {
  id: string;
  name: string;
  publicKey: string;
}

/** A listed machine, as far as keys care. */
export interface KeyUser {
  keyNames: readonly string[];
  isEnding: boolean;
}

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

/** A key that a create may name; let go of once the create is answered. */
export interface HeldKey extends StoredKey, Held {}

export class SshKeys {
  readonly #store: KeyStore;
  readonly #cloudCredRefId: string;
  readonly #prefix: string;
  readonly #listingLagMs: number;
  readonly #orphanMs: number;
  readonly #lookEveryMs: number;
  /** Creates of this process that are under way, by key name. */
  readonly #held = new Map<string, number>();
  /** When each unused key may go, by name; epoch ms. */
  readonly #dueAt = new Map<string, number>();
  readonly #gone = new Set<string>();
  #nextLookAt: number;
  #tidying: Promise<void> | undefined;

  constructor(store: KeyStore, cloudCredRefId: string, limits: ProviderLimits, timing: KeyTiming = {}) {
    this.#store = store;
    this.#cloudCredRefId = cloudCredRefId;
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
        ...key,
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
  afterListing(users: readonly KeyUser[], startedAt: number): void {
    const { used, ended } = this.#uses(users);
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

  /** Those of this credential, whether a machine uses them or not. */
  async listOurs(signal: AbortSignal): Promise<SideResource[]> {
    const keys = (await this.#store.list('read', signal)).filter(({ name }) => name.startsWith(this.#prefix));
    return keys.map(({ name }) => {
      const refId = readKeyName(name, this.#cloudCredRefId)?.refId;
      return { kind: 'ssh-key', name, ...(refId && { refId }) };
    });
  }

  /** Resolves when what the last listing began is done. */
  async settled(): Promise<void> {
    await this.#tidying;
  }

  async #tidy(used: ReadonlySet<string>, ended: ReadonlySet<string>, startedAt: number): Promise<void> {
    const signal = new AbortController().signal;
    const keys = await this.#store.list('catalog', signal);
    const names = new Set(keys.map(({ name }) => name));
    for (const name of ended) if (!names.has(name)) this.#gone.add(name);
    for (const name of this.#dueAt.keys()) if (!names.has(name)) this.#dueAt.delete(name);
    for (const key of keys.filter(({ name }) => name.startsWith(this.#prefix))) {
      if (used.has(key.name) || this.#held.has(key.name)) this.#dueAt.delete(key.name);
      else if (ended.has(key.name) || this.#isDue(key.name, startedAt)) {
        this.#dueAt.set(key.name, startedAt); // for a later listing that shows its machine no more
        await this.#remove(key, signal).catch(() => undefined);
      }
    }
  }

  #isDue(name: string, startedAt: number): boolean {
    const dueAt = this.#dueAt.get(name);
    if (dueAt === undefined) this.#dueAt.set(name, startedAt + this.#orphanMs);
    return dueAt !== undefined && dueAt <= startedAt;
  }

  /** Names that some machine still needs, and those of ours that only machines on their way out have. */
  #uses(users: readonly KeyUser[]): { used: Set<string>; ended: Set<string> } {
    const used = new Set(users.filter(({ isEnding }) => !isEnding).flatMap(({ keyNames }) => keyNames));
    const ended = users.filter(({ isEnding }) => isEnding).flatMap(({ keyNames }) => keyNames);
    const ours = ended.filter((name) => name.startsWith(this.#prefix) && !used.has(name) && !this.#held.has(name));
    return { used, ended: new Set(ours) };
  }

  async #add(
    names: readonly string[],
    publicKey: string,
    signal: AbortSignal,
  ): Promise<{ key: StoredKey; isNew: boolean }> {
    let refusal: unknown;
    for (const name of names) {
      try {
        return { key: await this.#store.add(name, publicKey, signal), isNew: true };
      } catch (error) {
        if (!(error instanceof HttpFailure) || !this.#store.mayBeTaken(error)) throw error;
        refusal = error;
      }
      const taken = (await this.#store.list('provision', signal)).find((key) => key.name === name);
      if (!taken) throw refusal;
      if (isSameKey(taken.publicKey, publicKey)) return { key: taken, isNew: false };
    }
    throw refusal;
  }

  async #undo(key: StoredKey): Promise<boolean> {
    try {
      await this.#remove(key, AbortSignal.timeout(UNDO_MS));
      return true;
    } catch {
      return false;
    }
  }

  async #remove({ id, name }: StoredKey, signal: AbortSignal): Promise<void> {
    try {
      await this.#store.remove(id, 'provision', signal);
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
