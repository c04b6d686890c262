import { type DestinationStream, destination as fileDestination, type Logger, pino, stdTimeFunctions } from 'pino';
import { redact, redactFields } from './redact.js';

export type { Logger } from 'pino';
export { redact, registerSecrets } from './redact.js';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  level: LogLevel;
  /** What speaks: `worker`, `simcloud`. */
  name: string;
  /** Default: stderr, since stdout belongs to what a command prints. */
  destination?: DestinationStream;
}

/**
 * JSON lines: a fixed sentence in `msg`, what it is about in fields (`refId`, `provider`), the level as a word.
 *
 * Whole lines are redacted just before they are written: messages, fields, child bindings and error chains alike, so
 * that nobody who logs has to think of it.
 */
export function createLogger({ level, name, destination = fileDestination(2) }: LoggerOptions): Logger {
  return pino(
    {
      level,
      name,
      base: { name },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: redactLine },
    },
    destination,
  );
}

function redactLine(line: string): string {
  try {
    return `${JSON.stringify(redactFields(JSON.parse(line)))}\n`;
  } catch {
    return redact(line);
  }
}
