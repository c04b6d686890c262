import type { IsoTime } from '../../domain/ids.js';
import { print, say } from '../terminal.js';
import { between } from '../text/time.js';
import type { Display } from './display.js';
import type { Look } from './follow.js';
import { PhaseLog } from './phase-log.js';

/** For pipes and log files: one line per change, with the time since the first. Nothing is cut. */
export class LineDisplay implements Display {
  private readonly log = new PhaseLog();
  private origin: IsoTime | undefined;
  private lastTrouble = '';

  constructor(private readonly fromSeq: number) {}

  show({ view, events }: Look): void {
    this.lastTrouble = '';
    for (const { phase, at, seq, note } of this.log.take(events, view)) {
      if (seq < this.fromSeq) continue;
      this.origin ??= at;
      print(`${between(this.origin, at).padStart(7)}  ${phase.padEnd(12)} ${note}`.trimEnd());
    }
  }

  trouble(message: string): void {
    if (message !== this.lastTrouble) say(message);
    this.lastTrouble = message;
  }

  end(): void {}
}
