import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Journal, JournalUnavailable, openJournal } from '../../src/journal/index.js';

/** A journal in a file of its own, that can be made not to answer. */
export interface TestJournal {
  url: string;
  /** Reads and writes it whether it is down or not. */
  journal: Journal;
  /** What a worker opens. */
  open: () => Promise<Journal>;
  /** It does not answer; or it does, and refuses with this. */
  down: boolean | Error;
  close(): Promise<void>;
}

export async function openTestJournal(): Promise<TestJournal> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-journal-'));
  const url = join(folder, 'journal.db');
  const journal = await openJournal(url);
  const test: TestJournal = {
    url,
    journal,
    down: false,
    open: async () => {
      if (test.down) throw failureOf(test.down);
      return switched(await openJournal(url), () => test.down);
    },
    close: async () => {
      await journal.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return test;
}

/** The same journal, whose every call but `close` fails while it is down. */
function switched(journal: Journal, isDown: () => boolean | Error): Journal {
  return new Proxy(journal, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name === 'close' || !isDown()) return value.bind(target);
      return async () => {
        throw failureOf(isDown());
      };
    },
  });
}

function failureOf(down: boolean | Error): Error {
  return down instanceof Error
    ? down
    : new JournalUnavailable('The journal at journal.db does not answer: switched off');
}
