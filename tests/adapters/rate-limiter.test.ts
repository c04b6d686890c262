import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LeftQueue, RateLimiter, type RateLimits, type Turn } from '../../src/adapters/rate-limiter.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const calm = new AbortController().signal;

/** Notes what began when, in ms since the start. */
function watched(limits: RateLimits) {
  const limiter = new RateLimiter(limits);
  const start = Date.now();
  const began: [string, number][] = [];
  const run = (name: string, turn: Partial<Turn> = {}): Promise<string> =>
    limiter.run(
      async () => {
        began.push([name, Date.now() - start]);
        return name;
      },
      { priority: 'read', signal: calm, ...turn },
    );
  return { limiter, began, run, names: () => began.map(([name]) => name) };
}

describe('the rate limiter', () => {
  it('lets everything through at once when there is no limit', async () => {
    const { run } = watched({});
    await expect(Promise.all([run('a'), run('b'), run('c')])).resolves.toEqual(['a', 'b', 'c']);
  });

  it('never begins two requests closer together than the limit, also after a pause in the traffic', async () => {
    const { run, began } = watched({ requestsPerSecond: 10 });
    for (const name of ['a', 'b', 'c']) void run(name);
    await vi.advanceTimersByTimeAsync(250);
    void run('d');
    await vi.advanceTimersByTimeAsync(1_000);
    for (const name of ['e', 'f']) void run(name);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(began).toHaveLength(6);
    const gaps = began.slice(1).map(([, at], index) => at - (began[index]?.[1] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100);
  });

  it('lets ends overtake creates, creates overtake reads, and reads the catalog', async () => {
    const { run, names } = watched({ requestsPerSecond: 1 });
    void run('first');
    void run('catalog', { priority: 'catalog' });
    void run('read', { priority: 'read' });
    void run('provision', { priority: 'provision' });
    void run('end', { priority: 'end' });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(names()).toEqual(['first', 'end', 'provision', 'read', 'catalog']);
  });

  it('lets an end that comes while the gate is shut go next', async () => {
    const { run, names } = watched({ requestsPerSecond: 1 });
    for (const name of ['a', 'b', 'c']) void run(name);
    await vi.advanceTimersByTimeAsync(1_000);
    void run('end', { priority: 'end' });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(names()).toEqual(['a', 'end', 'b', 'c']);
  });

  it('spaces creates by their own limit, and holds up nobody else with it', async () => {
    const { run, began } = watched({ createsPerMinute: 5 });
    const create = { priority: 'provision', isCreate: true } as const;
    for (const name of ['create-1', 'create-2']) void run(name, create);
    await vi.advanceTimersByTimeAsync(1_000);
    void run('read');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(began).toEqual([
      ['create-1', 0],
      ['read', 1_000],
      ['create-2', 13_200],
    ]);
  });

  it('counts the time to the next create from when one is sent: its wait among the requests does not shorten it', async () => {
    const { run, began } = watched({ requestsPerSecond: 1, createsPerMinute: 30 });
    const create = { priority: 'provision', isCreate: true } as const;
    for (const name of ['end-1', 'end-2', 'end-3']) void run(name, { priority: 'end' });
    for (const name of ['create-1', 'create-2']) void run(name, create);
    await vi.advanceTimersByTimeAsync(60_000);
    const [first = 0, second = 0] = began.filter(([name]) => name.startsWith('create')).map(([, at]) => at);
    expect(first).toBe(3_300);
    expect(second - first).toBeGreaterThanOrEqual(2_200);
  });

  it('waits after a 429 as long as it was told', async () => {
    const { limiter, run, began } = watched({});
    limiter.pause(5_000, false);
    void run('end', { priority: 'end' });
    await vi.advanceTimersByTimeAsync(4_999);
    expect(began).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(began).toEqual([['end', 5_000]]);
  });

  it('holds only creates after a create’s 429, for machines still have to be ended', async () => {
    const { limiter, run, names } = watched({});
    limiter.pause(5_000, true);
    void run('create', { priority: 'provision', isCreate: true });
    void run('end', { priority: 'end' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(names()).toEqual(['end']);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(names()).toEqual(['end', 'create']);
  });

  it('takes the longer of two pauses', async () => {
    const { limiter, run, began } = watched({});
    limiter.pause(5_000, false);
    limiter.pause(1_000, false);
    void run('a');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(began).toEqual([['a', 5_000]]);
  });

  it('never stands still for longer than a minute, whatever a provider says', async () => {
    const { limiter, run, began } = watched({});
    limiter.pause(86_400_000, false);
    void run('end', { priority: 'end' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(began).toHaveLength(1);
  });

  it('lets go at once of who is cancelled while waiting, and never sends it', async () => {
    const { limiter, run, names } = watched({});
    limiter.pause(5_000, false);
    const cancel = new AbortController();
    const left = expect(run('left', { signal: cancel.signal })).rejects.toBeInstanceOf(LeftQueue);
    void run('stays');
    cancel.abort();
    await left;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(names()).toEqual(['stays']);
  });

  it('gives the place of who left to the next, instead of keeping it empty', async () => {
    const { run, began } = watched({ requestsPerSecond: 1 });
    const cancel = new AbortController();
    void run('a');
    const left = expect(run('left', { signal: cancel.signal })).rejects.toBeInstanceOf(LeftQueue);
    void run('b');
    cancel.abort();
    await left;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(began).toEqual([
      ['a', 0],
      ['b', 1_100],
    ]);
  });

  it('goes on after a request that failed', async () => {
    const { limiter, run } = watched({ requestsPerSecond: 1 });
    const failing = limiter.run(() => Promise.reject(new Error('no')), { priority: 'read', signal: calm });
    await expect(failing).rejects.toThrow('no');
    const next = run('next');
    await vi.advanceTimersByTimeAsync(1_100);
    await expect(next).resolves.toBe('next');
  });

  it('keeps no listener on a signal that outlives its requests', async () => {
    const { run } = watched({});
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    for (let i = 0; i < 20; i += 1) await run('read', { signal });
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
  });
});
