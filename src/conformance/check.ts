import type { Capability } from '../domain/provider.js';
import type { Scene } from './scene.js';

/** One thing that a provider must do. Ids are kept for years: in reports, in pipelines and in the integration guide. */
export interface Check {
  /** `group.what`, short. */
  id: string;
  /** The promise, as a sentence that a failure breaks. */
  title: string;
  /** Skipped, with that for a reason, where the provider or the type in use does not declare it. */
  can?: Capability;
  /** Answers with evidence, in words. @throws {NotConforming} what was seen instead; {NotApplicable} why not here. */
  run(scene: Scene): Promise<string>;
}

/** The promise is broken: the message says what was seen. */
export class NotConforming extends Error {
  override readonly name = 'NotConforming';
}

/** Nothing to be proved here: the message says why. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

export function mustBe(holds: boolean, seen: string): asserts holds {
  if (!holds) throw new NotConforming(seen);
}

/** All of them at once: whoever mends one should know of the others. */
export function mustAllBe(...expected: [holds: boolean, seen: string][]): void {
  const broken = expected.filter(([holds]) => !holds).map(([, seen]) => seen);
  if (broken.length > 0) throw new NotConforming(broken.join('; '));
}

/** A few of many, for a message. */
export function someOf(items: readonly string[], most = 5): string {
  const shown = items.slice(0, most).join(', ');
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}
