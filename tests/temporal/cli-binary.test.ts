import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTemporalCli, TemporalCliNotFound, TemporalCliPathUnusable } from '../../src/temporal/cli-binary.js';
import { GOOD_VERSION, machine, putBinary } from './machine.js';

describe('the order in which a Temporal CLI is looked for', () => {
  it('TEMPORAL_CLI_PATH wins over everything', async () => {
    const box = machine();
    const chosen = putBinary(join(box.home, 'mine'));
    putBinary(join(box.bin, 'temporal'));
    putBinary(box.cached);
    const { env } = box.options();
    expect(await findTemporalCli(box.options({ env: { ...env, TEMPORAL_CLI_PATH: chosen } }))).toBe(chosen);
  });

  it('`temporal` on the PATH wins over our cache', async () => {
    const box = machine();
    const onPath = putBinary(join(box.bin, 'temporal'));
    putBinary(box.cached);
    expect(await findTemporalCli(box.options())).toBe(onPath);
  });

  it('our cache wins over the download, and is silent', async () => {
    const box = machine();
    putBinary(box.cached);
    expect(await findTemporalCli(box.options())).toBe(box.cached);
    expect(box.reports).toEqual([]);
  });

  it('the download wins over a build, and is kept', async () => {
    const box = machine();
    const options = box.options({ fetch: official(box.home), run: box.go() });
    expect(await findTemporalCli(options)).toBe(box.cached);
    expect(box.builds()).toBe(0);
    expect(await findTemporalCli(box.options())).toBe(box.cached); // offline now
  });

  it('without a network Go builds it, and it is kept', async () => {
    const box = machine();
    expect(await findTemporalCli(box.options({ run: box.go() }))).toBe(box.cached);
    expect(await findTemporalCli(box.options({ run: box.go() }))).toBe(box.cached);
    expect(box.builds()).toBe(1);
  });
});

describe('a CLI that does not serve', () => {
  it.each([
    ['does not exist', undefined],
    ['is another program', 'ls (GNU coreutils) 9.1'],
    ['is too old', 'temporal version 1.0.0 (Server 1.24.2, UI 2.28.0)'],
  ])('is an error naming TEMPORAL_CLI_PATH when what it names %s, though others would work', async (_why, says) => {
    const box = machine();
    putBinary(box.cached);
    const chosen = join(box.home, 'mine');
    if (says) putBinary(chosen, says);
    const { env } = box.options();
    const finding = findTemporalCli(box.options({ env: { ...env, TEMPORAL_CLI_PATH: chosen } }));
    await expect(finding).rejects.toThrow(TemporalCliPathUnusable);
    await expect(finding).rejects.toThrow(/TEMPORAL_CLI_PATH/);
  });

  it('is passed over on the PATH when too old, and we say so', async () => {
    const box = machine();
    putBinary(join(box.bin, 'temporal'), 'temporal version 1.0.0 (Server 1.24.2, UI 2.28.0)');
    putBinary(box.cached);
    expect(await findTemporalCli(box.options())).toBe(box.cached);
    expect(box.reports.join()).toContain('too old');
  });

  it('serves on the PATH when built from source: the server in it counts', async () => {
    const box = machine();
    const onPath = putBinary(join(box.bin, 'temporal'), 'temporal version 0.0.0-DEV (Server 1.31.2, UI 2.50.1)');
    expect(await findTemporalCli(box.options())).toBe(onPath);
  });

  it('is replaced when it sits broken in our cache', async () => {
    const box = machine();
    putBinary(box.cached, 'half a file');
    expect(await findTemporalCli(box.options({ run: box.go() }))).toBe(box.cached);
    expect(readFileSync(box.cached, 'utf8')).toContain(GOOD_VERSION);
  });

  it('is not cached when a build made it', async () => {
    const box = machine();
    await expect(findTemporalCli(box.options({ run: box.go({ says: 'nonsense' }) }))).rejects.toThrow(
      TemporalCliNotFound,
    );
    expect(readdirSync(dirname(dirname(box.cached)))).toEqual([]);
  });
});

describe('when no way works', () => {
  it('the error names each with its reason, in order', async () => {
    const box = machine();
    putBinary(join(box.bin, 'temporal'), 'something else');
    const error = await findTemporalCli(box.options()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TemporalCliNotFound);
    const { tried, message } = error as TemporalCliNotFound;
    expect(tried.map(({ way }) => way)).toEqual([
      'TEMPORAL_CLI_PATH',
      '`temporal` on the PATH',
      'our cache',
      'the official download',
      'a build by Go',
    ]);
    for (const { reason } of tried) expect(message).toContain(reason);
  });

  it('a cache that cannot be written is a reason, not a crash', async () => {
    const box = machine();
    const file = join(box.home, 'a-file');
    writeFileSync(file, '');
    const finding = findTemporalCli(box.options({ env: { PATH: box.bin, XDG_CACHE_HOME: file } }));
    await expect(finding).rejects.toThrow(TemporalCliNotFound);
  });
});

describe('slow ways', () => {
  it('say before they start how long they take, and show that they live', async () => {
    const box = machine();
    await findTemporalCli(box.options({ run: box.go({ ms: 100 }), heartbeatMs: 10 }));
    expect(box.reports.some((line) => /minutes/.test(line))).toBe(true);
    expect(box.reports.filter((line) => /so far/.test(line)).length).toBeGreaterThan(1);
  });

  it('give up a server that does not answer, and go on', async () => {
    const box = machine();
    const silent: typeof fetch = (_url, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
    const options = box.options({ fetch: silent, run: box.go(), answerTimeoutMs: 20 });
    expect(await findTemporalCli(options)).toBe(box.cached);
  });
});

describe('two at once', () => {
  it('build once: the second waits and says for whom', async () => {
    const box = machine();
    const run = box.go({ ms: 300 });
    const both = [box.options({ run }), box.options({ run })].map(findTemporalCli);
    expect(await Promise.all(both)).toEqual([box.cached, box.cached]);
    expect(box.builds()).toBe(1);
    expect(box.reports.join()).toContain(`Waiting for process ${process.pid}`);
  });

  it('do not break each other when the second has waited long enough', async () => {
    const box = machine();
    const run = box.go({ ms: 300 });
    const both = [box.options({ run, lockWaitMs: 0 }), box.options({ run, lockWaitMs: 0 })].map(findTemporalCli);
    expect(await Promise.all(both)).toEqual([box.cached, box.cached]);
  });

  it('do not wait for a process that died with the lock', async () => {
    const box = machine();
    const pid = Number(execFileSync('sh', ['-c', 'echo $$']).toString()); // ended by now
    const lock = `${dirname(box.cached)}.lock`;
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(lock, JSON.stringify({ pid, host: hostname(), token: 'theirs' }));
    expect(await findTemporalCli(box.options({ run: box.go() }))).toBe(box.cached);
    expect(box.reports.join()).not.toContain('Waiting');
  });
});

/** temporal.download, with an archive made by the real `tar`. */
function official(home: string): typeof fetch {
  putBinary(join(home, 'release', 'temporal'));
  execFileSync('tar', ['-czf', join(home, 'release.tar.gz'), '-C', join(home, 'release'), 'temporal']);
  return async (url) =>
    String(url).startsWith('https://temporal.download/cli/')
      ? Response.json({ archiveUrl: 'https://example.test/release.tar.gz', fileToExtract: 'temporal' })
      : new Response(readFileSync(join(home, 'release.tar.gz')));
}
