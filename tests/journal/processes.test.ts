import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Journal } from '../../src/journal/index.js';
import { type Bundle, bundleChild } from './support/bundle.js';
import { onBothEngines } from './support/engines.js';
import { random } from './support/lives.js';

/** A process that can be killed, and what it said. */
class Child {
  readonly lines: string[] = [];
  private readonly ended: Promise<unknown>;
  private readonly process: ChildProcess;
  private wake: () => void = () => undefined;

  constructor(program: string, args: readonly string[]) {
    this.process = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.ended = once(this.process, 'close');
    const { stdout } = this.process;
    if (!stdout) throw new Error('no output');
    createInterface({ input: stdout }).on('line', (line) => {
      this.lines.push(line);
      this.wake();
    });
  }

  /** Resolves once it has said so many lines; rejects when it ends before. */
  async said(count: number): Promise<void> {
    while (this.lines.length < count) {
      const spoke = new Promise<'spoke'>((resolve) => {
        this.wake = () => resolve('spoke');
      });
      const first = await Promise.race([spoke, this.ended]);
      if (first !== 'spoke' && this.lines.length < count) throw new Error(`it ended after ${this.lines.length} lines`);
    }
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  async end(): Promise<number | null> {
    await this.ended;
    return this.process.exitCode;
  }
}

/** Follows until so many events are seen. */
async function follow(journal: Journal, count: number): Promise<number[]> {
  const seen: number[] = [];
  for await (const { position } of journal.follow({ pollMs: 2 })) {
    seen.push(position);
    if (seen.length === count) break;
  }
  return seen;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

onBothEngines((engine) => {
  let folder = '';
  let bundle: Bundle;
  const children = new Set<Child>();
  const start = (...args: string[]) => {
    const child = new Child(bundle.file, args);
    children.add(child);
    return child;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-journal-children-'));
    bundle = await bundleChild();
  });
  afterEach(async () => {
    await Promise.all([...children].map((child) => child.kill()));
    children.clear();
  });
  afterAll(async () => {
    await bundle.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it('can be made, migrated and opened by several processes at once', async () => {
    const url = await engine.newUrl();
    const starting = ['a', 'b', 'c'].map((refId) => start('open', url, refId));
    expect(await Promise.all(starting.map((child) => child.end()))).toEqual([0, 0, 0]);
    const journal = await engine.open(url);
    expect((await journal.verify()).differences).toEqual([]);
    expect((await journal.instances()).rows.map(({ refId }) => refId).sort()).toEqual(['a', 'b', 'c']);
  });

  it('shows a follower every event once and in order, while several processes append', async () => {
    const { journal, url } = await engine.newJournal();
    const following = follow(journal, 200);
    const writers = ['a', 'b', 'c'].map((prefix) => start('append', url, prefix));
    expect(await following).toEqual(upTo(200));
    await Promise.all(writers.map((writer) => writer.kill()));
    expect((await journal.verify()).differences).toEqual([]);
  });

  it('has no hole, and all that was promised, after processes were killed while they appended', async () => {
    const { journal, url } = await engine.newJournal();
    const chance = random(11);
    for (const round of ['p', 'q']) {
      const writers = ['a', 'b'].map((prefix) => start('append', url, `${round}${prefix}`));
      await Promise.all(writers.map((writer) => writer.said(15 + Math.floor(chance() * 30))));
      await Promise.all(writers.map((writer) => writer.kill()));
    }
    const { differences, events } = await journal.verify();
    expect(differences).toEqual([]);
    const stored = await journal.readAll({ limit: 10_000 });
    expect(stored.map(({ position }) => position)).toEqual(upTo(events));
    const known = new Set(stored.map(({ refId, event }) => `${refId}/${event.seq}`));
    const promised = [...children].flatMap(({ lines }) => lines);
    expect(promised.length).toBeGreaterThan(60);
    expect(promised.filter((one) => !known.has(one))).toEqual([]);
  });

  it('shows a follower that is killed at random every event once, if it goes on from its position', async () => {
    const { journal, url } = await engine.newJournal();
    const file = join(folder, `${engine.name}.positions`);
    const writer = start('append', url, 'a');
    const chance = random(5);
    for (let round = 0; round < 2; round++) {
      const follower = start('follow', url, file);
      await follower.said(1);
      const enough = (await journal.head()) + 10 + Math.floor(chance() * 40);
      await follow(journal, enough); // the follower is somewhere in the middle of it
      await follower.kill();
    }
    await writer.kill();
    const head = await journal.head();
    const last = start('follow', url, file);
    const seen = async () => (await readFile(file, 'utf8')).trimEnd().split('\n').map(Number);
    await expect.poll(async () => (await seen()).at(-1), { timeout: 15_000, interval: 20 }).toBe(head);
    await last.kill();
    expect(await seen()).toEqual(upTo(head));
  });
});
