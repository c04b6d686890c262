import { terminalOf } from '../terminal.js';
import type { Look } from './follow.js';
import { LineDisplay } from './lines.js';
import { LiveBlock } from './live-block.js';

/** Shows what a watch sees. */
export interface Display {
  show(look: Look): void;
  trouble(message: string): void;
  /** Nothing is drawn after it. */
  end(): void;
}

/** On a terminal one block, redrawn; else a line for each change. @param fromSeq Events before it are known already. */
export function createDisplay(fromSeq: number): Display {
  const terminal = terminalOf();
  return terminal.isTty ? new LiveBlock(fromSeq) : new LineDisplay(fromSeq);
}
