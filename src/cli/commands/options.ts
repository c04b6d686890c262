import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../../domain/duration.js';
import { type IsoTime, toIsoTime } from '../../domain/ids.js';

/** What several commands share, spelled once. */
export interface JsonOption {
  json?: boolean;
}

export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON; errors too, on stderr');
}

export interface WaitOptions {
  watch?: boolean;
  wait?: boolean;
  timeout?: number;
}

export function withWaiting(command: Command, goal: string): Command {
  return command
    .option('--watch', `show the phases until it is ${goal}; exit 5 if it parks`)
    .option('--wait', 'the same, without showing them')
    .option('--timeout <duration>', 'watch or wait no longer than this (90s, 20m); exit 5', toDuration);
}

export interface OrderOptions {
  requestId?: string;
  actor?: string;
}

export function withStamp(command: Command): Command {
  return command
    .option('--request-id <id>', 'the same id twice has one effect')
    .option('--actor <name>', 'who asks: recorded with the order', process.env.SLIPWAY_ACTOR);
}

export function toDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Write 90s, 20m or 1h.');
  return ms;
}

/** A moment: `2026-03-01`, `2026-03-01T09:00Z`, or how long ago: `30d`. */
export function toMoment(text: string): IsoTime {
  const ago = parseDuration(text);
  const at = ago === undefined ? (/^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : Date.now() - ago;
  if (Number.isNaN(at))
    throw new InvalidArgumentError('Write 2026-03-01, 2026-03-01T09:00Z, or 30d for that long ago.');
  return toIsoTime(at);
}

export function toCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('A whole number, from 1.');
  return Number(text);
}

export function toPosition(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('A position in the journal, from 0.');
  return Number(text);
}

export function toPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65_535) throw new InvalidArgumentError('A port, from 0 (any free one) to 65535.');
  return port;
}
