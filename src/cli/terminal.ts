import pc from 'picocolors';

/** Where output goes, and what it can show. Colours and cut lines are for people at a terminal only. */
export interface Terminal {
  isTty: boolean;
  /** Columns; undefined where nothing is ever cut: a pipe or a file. */
  width: number | undefined;
  colours: ReturnType<typeof pc.createColors>;
}

export function terminalOf(stream: NodeJS.WriteStream = process.stdout, env = process.env): Terminal {
  const isTty = stream.isTTY === true;
  const coloured = isTty && !env.NO_COLOR && env.TERM !== 'dumb';
  return { isTty, width: isTty ? Math.max(20, stream.columns || 80) : undefined, colours: pc.createColors(coloured) };
}

/** One line, or several, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** To the person, not into the data. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** `| head` closes the pipe when it has enough: that ends us, quietly. */
export function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit();
    });
  }
}

/** At most `width` columns; what is cut ends in `…`. Without a width the text as it is. */
export function cut(text: string, width: number | undefined): string {
  if (width === undefined || text.length <= width) return text;
  return width <= 1 ? '…'.slice(0, width) : `${text.slice(0, width - 1).trimEnd()}…`;
}

/** Breaks between words, so that no line is longer than `width`; longer words keep a line of their own. */
export function wrap(text: string, width: number | undefined): string[] {
  if (width === undefined) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line];
}
