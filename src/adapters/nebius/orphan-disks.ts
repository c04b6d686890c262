import { IDENTITY_TAGS } from '../../domain/provider.js';
import type { NebiusClient } from './client.js';
import { GrpcFailure } from './grpc-failure.js';
import type { Project } from './places.js';
import type { NebiusDisk, NebiusInstance } from './schemas.js';

/*
 * A boot disk comes and goes with its machine: Nebius manages it. This is the net below that promise, for a create that
 * failed half-way at Nebius: a disk that carries our labels, is attached to nothing and belongs to no machine that is
 * listed is deleted once it has been so for a while. Nobody waits for it; what fails is tried again with a later listing.
 */

/** Longer than any create takes, its retries and its place in the queue included. */
const ORPHAN_MS = 3_600_000;
/** How often to look: one call for each project. */
const LOOK_EVERY_MS = 600_000;

export interface OrphanTiming {
  orphanMs?: number;
  lookEveryMs?: number;
}

export class OrphanDisks {
  readonly #client: NebiusClient;
  readonly #cloudCredRefId: string;
  readonly #orphanMs: number;
  readonly #lookEveryMs: number;
  /** When each was first seen without a machine, by id; epoch ms. */
  readonly #since = new Map<string, number>();
  #nextLookAt: number;
  #tidying: Promise<void> | undefined;

  constructor(client: NebiusClient, cloudCredRefId: string, timing: OrphanTiming = {}) {
    this.#client = client;
    this.#cloudCredRefId = cloudCredRefId;
    this.#orphanMs = timing.orphanMs ?? ORPHAN_MS;
    this.#lookEveryMs = timing.lookEveryMs ?? LOOK_EVERY_MS;
    this.#nextLookAt = Date.now() + this.#lookEveryMs;
  }

  /** To be told of every complete listing of the account. @param startedAt When it was asked for, epoch ms. */
  afterListing(projects: readonly Project[], instances: readonly NebiusInstance[], startedAt: number): void {
    if (this.#tidying || startedAt < this.#nextLookAt) return;
    this.#nextLookAt = startedAt + this.#lookEveryMs;
    this.#tidying = this.#tidy(projects, instances, startedAt)
      .catch(() => undefined) // a later listing tries again
      .finally(() => {
        this.#tidying = undefined;
      });
  }

  /** Resolves when what the last listing began is done. */
  async settled(): Promise<void> {
    await this.#tidying;
  }

  async #tidy(projects: readonly Project[], instances: readonly NebiusInstance[], startedAt: number): Promise<void> {
    const signal = new AbortController().signal;
    const attempts = new Set(instances.map(({ metadata }) => metadata.labels[IDENTITY_TAGS.attemptKey]));
    const ids = new Set(instances.map(({ metadata }) => metadata.id));
    const disks: NebiusDisk[] = [];
    for (const { id } of projects) disks.push(...(await this.#client.listDisks(id, signal)));
    const orphans = disks.filter(({ metadata: { labels }, status }) => {
      const attempt = labels[IDENTITY_TAGS.attemptKey];
      const isOurs = labels[IDENTITY_TAGS.cloudCredRefId] === this.#cloudCredRefId && attempt !== undefined;
      const { read_write_attachment: user = '', managed_by: owner = '', state } = status ?? {};
      return isOurs && user === '' && !ids.has(owner) && !attempts.has(attempt) && state !== 'DELETING';
    });
    for (const id of this.#since.keys())
      if (!orphans.some(({ metadata }) => metadata.id === id)) this.#since.delete(id);
    for (const { metadata } of orphans) {
      const since = this.#since.get(metadata.id);
      if (since === undefined) this.#since.set(metadata.id, startedAt);
      else if (startedAt - since >= this.#orphanMs) await this.#remove(metadata.id, signal);
    }
  }

  async #remove(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#client.deleteDisk(id, signal);
    } catch (error) {
      if (!(error instanceof GrpcFailure)) throw error; // else it is there the next time, or gone
    }
  }
}
