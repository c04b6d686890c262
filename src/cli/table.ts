import { cut } from './terminal.js';

export interface Column<Row> {
  title: string;
  text: (row: Row) => string;
  /** Narrowed, to this at the least, when the terminal is too small. Without it the column keeps its width. */
  min?: number;
}

const GAP = 2;

/**
 * Rows under titles. In a pipe (no width) every cell is whole; on a terminal the widest columns that may shrink do,
 * until a row fits, and what is cut ends in `…`.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number | undefined): string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ text }) => text(row)))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  if (width !== undefined) shrink(widths, columns, width);
  return cells.map((row) => {
    const line = row.map((cell, index) => cut(cell, widths[index]).padEnd(widths[index] ?? 0)).join(' '.repeat(GAP));
    return cut(line.trimEnd(), width);
  });
}

function shrink<Row>(widths: number[], columns: readonly Column<Row>[], width: number): void {
  const total = () => widths.reduce((sum, one) => sum + one + GAP, -GAP);
  while (total() > width) {
    let widest = -1;
    for (const [index, { min }] of columns.entries()) {
      const here = widths[index] ?? 0;
      if (min !== undefined && here > min && here > (widths[widest] ?? 0)) widest = index;
    }
    if (widest < 0) return; // the lines themselves are cut
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}
