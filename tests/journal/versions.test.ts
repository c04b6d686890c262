import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fold, type InstanceEvent } from '../../src/domain/instance/index.js';
import { EVENT_TYPES } from '../../src/domain/instance/timeline.js';
import { JournalSchemaMismatch, openJournal, SCHEMA_VERSION } from '../../src/journal/index.js';
import { type StoredEvent, toData, upcast } from '../../src/journal/stored-event.js';
import type { StoredLine } from './support/every-event.js';

/** A stored file of every version there ever was, kept for good: never edited, only joined by the next. */
const FOLDER = fileURLToPath(new URL('./versions/', import.meta.url));
const files = (await readdir(FOLDER)).sort();

async function linesOf(file: string): Promise<StoredLine[]> {
  const text = await readFile(join(FOLDER, file), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as StoredLine);
}

function byRef(lines: readonly StoredLine[]): Map<string, InstanceEvent[]> {
  const lives = new Map<string, InstanceEvent[]>();
  for (const { refId, schemaVersion, event } of lines) {
    const lifted = upcast(event as unknown as StoredEvent, schemaVersion);
    lives.set(refId, [...(lives.get(refId) ?? []), lifted]);
  }
  return lives;
}

describe('events of every schema version', () => {
  it('are kept, up to today’s', () => {
    expect(files).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, index) => `v${index + 1}.jsonl`));
  });

  it('of today hold every type there is', async () => {
    const types = new Set((await linesOf(`v${SCHEMA_VERSION}.jsonl`)).map(({ event }) => event.type));
    expect(EVENT_TYPES.filter((type) => !types.has(type))).toEqual([]);
  });

  it.each(files)('%s is read, folded and stored by today’s code', async (file) => {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-versions-'));
    const journal = await openJournal(join(folder, 'journal.db'));
    try {
      for (const [refId, events] of byRef(await linesOf(file))) {
        expect(fold(events)).toMatchObject({ refId, seq: events.length });
        await journal.append(refId, events);
        expect((await journal.read(refId)).map(({ event }) => event)).toEqual(events);
      }
      expect((await journal.verify()).differences).toEqual([]);
    } finally {
      await journal.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('of today are not changed by a round trip', async () => {
    for (const { event } of await linesOf(`v${SCHEMA_VERSION}.jsonl`)) {
      const { type, seq, at } = event;
      const stored = { type, ...(JSON.parse(toData(event)) as object), seq, at } as StoredEvent;
      expect(upcast(stored, SCHEMA_VERSION)).toEqual(event);
    }
  });
});

describe('upcasting', () => {
  const old: StoredEvent = { type: 'InstanceReady', seq: 3, at: '2026', key: 'k' };
  const upcasters = {
    1: ({ key, ...event }: StoredEvent): StoredEvent => ({ ...event, hostKey: key }),
    2: (event: StoredEvent): StoredEvent => ({ ...event, evidence: 'not recorded then' }),
  };

  it('lifts an old event through every version in between', () => {
    const lifted = { type: 'InstanceReady', seq: 3, at: '2026', hostKey: 'k', evidence: 'not recorded then' };
    expect(upcast(old, 1, upcasters, 3)).toEqual(lifted);
    expect(upcast({ ...old, key: undefined, hostKey: 'k' }, 2, upcasters, 3)).toMatchObject(lifted);
  });

  it('leaves an event of today as it is', () => {
    expect(upcast(old, 3, upcasters, 3)).toBe(old);
  });

  it('refuses a newer version, and one that nobody can lift', () => {
    expect(() => upcast(old, 4, upcasters, 3)).toThrow(JournalSchemaMismatch);
    expect(() => upcast(old, 1, { 2: upcasters[2] }, 3)).toThrow(/from event schema version 1/);
  });
});
