import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CloudEvent, Journal } from '../../src/journal/index.js';
import { LATEST_VERSION } from '../../src/journal/store/migrations.js';
import { onBothEngines } from '../journal/support/engines.js';
import { random, SHAPES, stamp, west } from '../journal/support/lives.js';
import { PASSWORD } from '../journal/support/postgres.js';
import { collect, end, runCli, startCli, written } from './run-cli.js';

const life = (refId: string) => stamp(SHAPES.refusedThenReady?.(refId, west) ?? []);
const at = (url: string, ...args: string[]) => runCli(args, { env: { SLIPWAY_JOURNAL_URL: url } });

onBothEngines((engine) => {
  describe('slipway journal', () => {
    it('migrates once, and says so the second time', async () => {
      const url = await engine.newUrl();
      const first = await at(url, 'journal', 'migrate', '--json');
      expect(first.code).toBe(0);
      expect(JSON.parse(first.stdout)).toEqual({ from: 0, to: LATEST_VERSION });
      const again = await at(url, 'journal', 'migrate');
      expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('already') });
    });

    it('verifies the read models with 0 or 1, naming what differs, and rebuilds them', async () => {
      const { journal, url } = await engine.newJournal();
      await journal.append('a', life('a'));
      await journal.append('b', life('b'));
      expect(await at(url, 'journal', 'verify')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('16 events'),
      });
      await engine.query(url, sql`update journal_instance set phase = 'stopped' where ref_id = 'b'`);
      const told = await at(url, 'journal', 'verify');
      expect(told.code).toBe(1);
      expect(told.stdout).toMatch(/^ {2}b {2}instance: phase$/m);
      const differs = await at(url, 'journal', 'verify', '--json');
      expect(differs.code).toBe(1);
      expect(JSON.parse(differs.stdout)).toEqual({
        instances: 2,
        events: 16,
        differences: [{ refId: 'b', model: 'instance', what: ['phase'] }],
      });
      const rebuilt = await at(url, 'journal', 'rebuild', '--json');
      expect(JSON.parse(rebuilt.stdout)).toEqual({ instances: 2, events: 16 });
      expect((await at(url, 'journal', 'verify')).code).toBe(0);
    });

    if (engine.name === 'PostgreSQL') {
      it('refuses tables that were not migrated with 2, and says what to do', async () => {
        const { code, stderr } = await at(await engine.newUrl(), 'journal', 'verify');
        expect(code).toBe(2);
        expect(stderr).toContain('slipway journal migrate');
      });
    }
  });

  describe('slipway events --follow', () => {
    const children = new Set<ReturnType<typeof startCli>>();
    const follow = (url: string, ...args: string[]) => {
      const child = startCli(['events', '--follow', ...args], { env: { SLIPWAY_JOURNAL_URL: url } });
      children.add(child);
      return { child, output: collect(child) };
    };
    afterEach(async () => {
      await Promise.all([...children].map((child) => end(child, 'SIGKILL')));
      children.clear();
    });

    it('prints a CloudEvent a line, from a position on, and those to come', async () => {
      const { journal, url } = await engine.newJournal();
      await journal.append('a', life('a'));
      const { child, output } = follow(url, '--after', '6', '--json');
      await written(child, output, /a\/8/);
      await journal.append('b', life('b').slice(0, 2));
      await written(child, output, /b\/2/);
      const events = eventsIn(output.stdout);
      expect(events.map(({ id, specversion }) => [id, specversion])).toEqual(
        ['a/7', 'a/8', 'b/1', 'b/2'].map((id) => [id, '1.0']),
      );
      expect(events.map(({ sequence }) => Number(sequence))).toEqual([7, 8, 9, 10]);
      expect(await end(child, 'SIGINT')).toBe(0);
      expect(output.stderr).toBe('');
    });

    it('prints a line each for people, also of one instance alone; Ctrl-C says where to go on', async () => {
      const { journal, url } = await engine.newJournal();
      await journal.append('a', life('a'));
      await journal.append('b', life('b'), { runId: 'run-1' });
      const other = life('b').map((event) => (event.seq > 5 ? { ...event, at: '2026-03-09T00:00:00.000Z' } : event));
      await journal.supersede('b', other.slice(0, 6), { runId: 'run-2', reason: 'workflow reset' });
      const all = follow(url);
      const one = follow(url, 'b');
      await Promise.all([all, one].map(({ child, output }) => written(child, output, / 17 /)));
      expect(await end(all.child, 'SIGINT')).toBe(0);
      expect(all.output.stdout.trimEnd().split('\n')).toHaveLength(1 + 8 + 6);
      expect(all.output.stdout).toMatch(
        /^ +17 +2026-03-09T00:00:00.000Z +b +InstanceRunning +\(reset: .* 5 no longer/m,
      );
      expect(all.output.stderr).toContain('--after 17');
      expect(await end(one.child, 'SIGTERM')).toBe(0);
      expect(one.output.stdout).not.toMatch(/ a /);
    });

    it('ends quietly when its reader has gone', async () => {
      const { journal, url } = await engine.newJournal();
      for (let count = 0; count < 40; count++) await journal.append(`i-${count}`, life(`i-${count}`));
      const { child, output } = follow(url, '--json');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdout?.once('data', () => child.stdout?.destroy());
      await journal.append('more', life('more'));
      expect(await ended).toBe(0);
      expect(output.stderr).toBe('');
    });

    it('shows a reader that keeps its position every event once, however often the follower is killed', async () => {
      const { journal, url } = await engine.newJournal();
      const chance = random(7);
      const reader = { seen: [] as string[], position: 0 };
      const writing = writeLives(journal, 60);
      for (let round = 0; round < 4; round++) {
        const { child, output } = follow(url, '--json', '--after', String(reader.position));
        const enough = 1 + Math.floor(chance() * 60);
        await expect
          .poll(() => eventsIn(output.stdout).length, { timeout: 60_000, interval: 2 })
          .toBeGreaterThan(enough);
        await end(child, 'SIGKILL');
        take(reader, output.stdout);
      }
      await writing;
      const last = follow(url, '--json', '--after', String(reader.position));
      const missing = 60 * 8 - reader.seen.length;
      await expect
        .poll(() => eventsIn(last.output.stdout).length, { timeout: 60_000, interval: 5 })
        .toBeGreaterThanOrEqual(missing);
      await end(last.child, 'SIGKILL');
      take(reader, last.output.stdout);
      expect(reader.seen).toEqual(
        (await journal.readAll({ limit: 1_000 })).map(({ refId, event }) => `${refId}/${event.seq}`),
      );
    });

    if (engine.name === 'PostgreSQL') {
      it('waits for a database that restarts, says so, and goes on without a gap or a double', async () => {
        const { journal, url } = await engine.newJournal();
        await journal.append('a', life('a'));
        const { child, output } = follow(url, '--json');
        await written(child, output, /a\/8/);
        await engine.postgres().kill();
        // Back only once it was missed: a restart between two looks is noticed by nobody.
        await written(child, output, /does not answer/);
        await engine.postgres().restart();
        const again = async (): Promise<unknown> => journal.append('b', life('b')).catch(again);
        await again();
        await written(child, output, /b\/8/);
        expect(eventsIn(output.stdout).map(({ sequence }) => Number(sequence))).toEqual(
          Array.from({ length: 16 }, (_, index) => index + 1),
        );
        expect(output.stderr).not.toContain(PASSWORD);
        expect(await end(child, 'SIGINT')).toBe(0);
      });
    }
  });
});

describe('a journal that', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-cli-journal-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is not named is asked for with 2', async () => {
    for (const args of [
      ['journal', 'verify'],
      ['journal', 'migrate'],
      ['events', '--follow'],
    ]) {
      const { code, stderr } = await runCli([...args, '--json']);
      expect(code).toBe(2);
      expect(JSON.parse(stderr).error).toMatchObject({ message: expect.stringContaining('SLIPWAY_JOURNAL_URL') });
    }
  });

  it('cannot be reached is told with 6, without its password', async () => {
    const url = `postgres://slipway:${PASSWORD}@127.0.0.1:1/journal`;
    for (const args of [
      ['journal', 'verify'],
      ['journal', 'migrate', '--json'],
      ['events', '--follow'],
    ]) {
      const { code, stdout, stderr } = await at(url, ...args);
      expect(code).toBe(6);
      expect(stderr).toContain('127.0.0.1');
      expect(stdout + stderr).not.toContain(PASSWORD);
    }
  });

  it('has no usable address is refused with 2', async () => {
    expect((await at('mysql://host/db', 'journal', 'rebuild')).code).toBe(2);
  });

  it('is followed needs no refId; its positions need --follow', async () => {
    const url = join(folder, 'journal.db');
    expect((await at(url, 'events')).code).toBe(2);
    expect((await at(url, 'events', 'a', '--after', '3')).code).toBe(2);
    expect((await at(url, 'events', '--follow', '--after', 'soon')).code).toBe(2);
    expect((await at(url, 'journal', 'fly', '--json')).code).toBe(2);
  });
});

/** The whole lines: one that was cut off by a kill is not there yet. */
function eventsIn(stdout: string): CloudEvent[] {
  return stdout
    .slice(0, stdout.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as CloudEvent);
}

/** What a reader does with the lines: it keeps each event, and with it its position. */
function take(reader: { seen: string[]; position: number }, stdout: string): void {
  for (const { id, sequence } of eventsIn(stdout)) {
    reader.seen.push(id);
    reader.position = Number(sequence);
  }
}

async function writeLives(journal: Journal, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const events = life(`w-${index}`);
    for (let seq = 0; seq < events.length; seq += 2) await journal.append(`w-${index}`, events.slice(seq, seq + 2));
    await new Promise((resolve) => setTimeout(resolve, 40)); // so that kills fall between writes
  }
}
