import type { ErrorKind } from '../../domain/errors.js';
import type { IsoTime } from '../../domain/ids.js';
import {
  evolve,
  type InstanceEvent,
  type InstanceState,
  type InstanceView,
  open,
  type Phase,
} from '../../domain/instance/index.js';
import { evidenceOf } from '../../domain/instance/timeline.js';

/** A phase that began, or something to be told about the one that lasts. */
export interface PhaseEntry {
  phase: Phase;
  at: IsoTime;
  /** Number of the event that brought it. */
  seq: number;
  note: string;
  /** What went wrong, when that is what brought it: the note says it at length. */
  failureKind?: ErrorKind;
  /** False: the phase lasts, and this tells why. */
  begins: boolean;
}

/** Facts that change no phase, and explain why it lasts. */
const TELLING: ReadonlySet<string> = new Set([
  'CapacityAwaited',
  'CreateOutcomeUnknown',
  'CleanupDebtOpened',
  'CleanupDebtClosed',
  'StrayFound',
  'StrayEnded',
  'ChangeRefused',
]);

/**
 * The phases an instance went through, read from its events, so that one too short to be seen by looking is told too.
 * Where the events cannot be folded (the first are gone, or a newer version wrote them) it tells the phases it sees.
 */
export class PhaseLog {
  private state: InstanceState | undefined;
  private isFoldable = true;
  private last: { phase: Phase; at: IsoTime } | undefined;

  /** What is new: `events` since the last time, and the view they led to. */
  take(events: readonly InstanceEvent[], view: InstanceView): PhaseEntry[] {
    const entries = this.isFoldable ? this.fold(events) : [];
    if (!this.isFoldable && (this.last?.phase !== view.phase || this.last.at !== view.since)) {
      this.last = { phase: view.phase, at: view.since };
      entries.push({ phase: view.phase, at: view.since, seq: view.seq, note: '', begins: true });
    }
    return entries;
  }

  private fold(events: readonly InstanceEvent[]): PhaseEntry[] {
    const entries: PhaseEntry[] = [];
    for (const event of events) {
      const before = this.state;
      try {
        this.state = before ? evolve(before, event) : open(event);
      } catch {
        this.isFoldable = false;
        break;
      }
      const { phase } = this.state;
      const begins = phase !== before?.phase;
      if (begins) this.last = { phase, at: event.at };
      if (begins || TELLING.has(event.type)) entries.push({ ...toEntry(event), phase, begins });
    }
    return entries;
  }
}

function toEntry(event: InstanceEvent): Omit<PhaseEntry, 'phase' | 'begins'> {
  const failureKind = 'failure' in event ? event.failure?.kind : undefined;
  return { at: event.at, seq: event.seq, note: noteOf(event), ...(failureKind && { failureKind }) };
}

/** What a timeline has columns of its own for stands here with the evidence. That it is ready says all. */
function noteOf(event: InstanceEvent): string {
  if (event.type === 'InstanceReady') return '';
  const attempt = event.type === 'CreateAttempted' ? `#${event.attempt}` : '';
  const by = 'actor' in event && event.actor ? `by ${event.actor}` : '';
  return [attempt, evidenceOf(event), by].filter(Boolean).join(' ');
}
