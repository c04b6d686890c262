import { once } from 'node:events';
import { followEvents } from '../client/follow.js';
import { readEventSource } from '../config/event-source.js';
import { evidenceOf } from '../domain/instance/timeline.js';
import { toCloudEvent } from '../journal/cloud-event.js';
import type { JournalEntry } from '../journal/index.js';
import { BadInput } from './failure.js';
import { withJournal } from './journal.js';
import { untilAskedToStop } from './signals.js';
import { cut, print, say, terminalOf } from './terminal.js';
import { timeOfDay } from './text/time.js';

export interface FollowJournalOptions {
  after: number;
  json?: boolean;
  /** Only this instance's. */
  refId?: string;
}

/**
 * Prints every event after a position, and those to come, until Ctrl-C: a line each for people, or with `json` a
 * CloudEvent a line. A database that restarts is waited for.
 */
export async function followJournal({ after, json, refId }: FollowJournalOptions): Promise<void> {
  const stop = new AbortController();
  void untilAskedToStop().then(() => stop.abort());
  const { width } = terminalOf();
  const source = json ? eventSource() : undefined;
  let position = after;
  let trouble = '';
  await withJournal(async (journal) => {
    if (!json) print(cut(HEAD, width));
    const onTrouble = ({ message }: Error) => {
      if (message !== trouble) say(`${message}. It is asked again until it does.`);
      trouble = message;
    };
    for await (const entry of followEvents(journal, { after, signal: stop.signal, onTrouble })) {
      trouble = '';
      position = entry.position;
      if (refId !== undefined && entry.refId !== refId) continue;
      await write(
        json
          ? JSON.stringify(toCloudEvent(entry, source === undefined ? {} : { source }))
          : cut(toLine(entry, width !== undefined), width),
      );
    }
  });
  if (!json) say(`Stopped after position ${position}. Go on with: slipway events --follow --after ${position}`);
}

/** @throws {BadInput} */
function eventSource(): string | undefined {
  return readEventSource(process.env, (where, message) => {
    throw new BadInput(`${where} ${message}.`);
  });
}

/** A reader that is slow slows us down; else everything would pile up here. */
async function write(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

/** Lines come one by one, so the columns are as wide as most refIds and types are; what is longer pushes the rest on. */
const WIDTHS = { position: 8, at: 24, timeOfDay: 12, refId: 24, type: 22 };

const HEAD = `${'POSITION'.padStart(WIDTHS.position)}  AT, REF ID, EVENT, EVIDENCE`;

function toLine({ position, refId, event, supersedes }: JournalEntry, short: boolean): string {
  const at = short ? timeOfDay(event.at).padEnd(WIDTHS.timeOfDay) : event.at.padEnd(WIDTHS.at);
  const reset = supersedes ? `(reset: what came after ${event.seq - 1} no longer holds) ` : '';
  const cells = [
    String(position).padStart(WIDTHS.position),
    at,
    refId.padEnd(WIDTHS.refId),
    event.type.padEnd(WIDTHS.type),
    `${reset}${evidenceOf(event)}`,
  ];
  return cells.join('  ').trimEnd();
}
