import type { InstanceEvent } from '../domain/instance/index.js';
import { JournalSchemaMismatch } from './errors.js';

/*
 * An event is stored as it was written and never rewritten. When the shape of events changes, SCHEMA_VERSION goes up by
 * one and UPCASTERS gets a function from the version before; tests/journal/versions keeps a file of every version.
 */

/** The version in which events are written today. */
export const SCHEMA_VERSION = 1;

/** An event of some version: only its place is certain. */
export type StoredEvent = { type: string; seq: number; at: string } & Record<string, unknown>;

/** Lifts an event of its version to the next. Pure; leaves `seq` and `at` alone. */
export type Upcaster = (event: StoredEvent) => StoredEvent;

/** From which version: the function that lifts it to the next. Version 1 is today's, so there is none yet. */
export const UPCASTERS: Readonly<Record<number, Upcaster>> = {};

/**
 * A stored event as today's code knows it.
 * @throws {JournalSchemaMismatch} when a newer version wrote it.
 */
export function upcast(
  event: StoredEvent,
  version: number,
  upcasters: Readonly<Record<number, Upcaster>> = UPCASTERS,
  current: number = SCHEMA_VERSION,
): InstanceEvent {
  if (version > current) {
    throw new JournalSchemaMismatch(
      `Event ${event.type} (seq ${event.seq}) is of schema version ${version}; this Slipway knows up to ${current}. Run the newer one.`,
    );
  }
  let lifted = event;
  for (let from = version; from < current; from++) {
    const step = upcasters[from];
    if (!step) throw new JournalSchemaMismatch(`No way up from event schema version ${from}.`);
    lifted = step(lifted);
  }
  return lifted as unknown as InstanceEvent;
}

/** The event without its place, which has columns of its own. */
export function toData({ type: _type, seq: _seq, at: _at, ...data }: InstanceEvent): string {
  return JSON.stringify(data);
}
