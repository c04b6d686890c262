import logUpdate from 'log-update';
import type { InstanceView } from '../../client/index.js';
import { cut, terminalOf } from '../terminal.js';
import { between } from '../text/time.js';
import { waitText } from '../text/view.js';
import type { Display } from './display.js';
import type { Look } from './follow.js';
import { type PhaseEntry, PhaseLog } from './phase-log.js';

const REDRAW_MS = 200;
/** A long life does not fill the screen. */
const PHASES_SHOWN = 12;

/** For people: the phases so far with how long each took, the present one counting. Redrawn in place. */
export class LiveBlock implements Display {
  private readonly log = new PhaseLog();
  private entries: PhaseEntry[] = [];
  private view: InstanceView | undefined;
  private problem = '';
  private readonly timer = setInterval(() => this.draw(false), REDRAW_MS);

  constructor(private readonly fromSeq: number) {}

  show({ view, events }: Look): void {
    this.view = view;
    this.problem = '';
    for (const entry of this.log.take(events, view)) {
      const last = this.entries.at(-1);
      if (entry.begins || !last) {
        if (entry.seq >= this.fromSeq) this.entries.push(entry);
      } else last.note = entry.note;
    }
    this.draw(false);
  }

  trouble(message: string): void {
    this.problem = message;
    this.draw(false);
  }

  end(): void {
    clearInterval(this.timer);
    this.draw(true);
    logUpdate.done();
  }

  private draw(isOver: boolean): void {
    if (!this.view) return;
    const { width, colours } = terminalOf();
    const { view } = this;
    const shown = this.entries.slice(-PHASES_SHOWN);
    const lines = shown.map((entry, index) => {
      const next = shown[index + 1];
      const isLast = next === undefined;
      const mark = isLast && !isOver ? '◦' : isLast && view.phase === 'parked' ? '✗' : '✓';
      const took = isLast && isOver ? '' : between(entry.at, next?.at);
      const line = cut(`${mark} ${entry.phase.padEnd(12)} ${took.padStart(7)}  ${entry.note}`.trimEnd(), width);
      return isLast ? line : colours.dim(line);
    });
    if (!isOver) lines.push(colours.dim(cut(`  waits for ${waitText(view)}`, width)));
    const total = this.entries[0]
      ? `, ${between(this.entries[0].at, isOver ? this.entries.at(-1)?.at : undefined)}`
      : '';
    const title = cut(`${view.name} (${view.refId})${total}`, width);
    const problem = this.problem ? [colours.yellow(cut(this.problem, width))] : [];
    logUpdate([colours.bold(title), ...lines, ...problem].join('\n'));
  }
}
