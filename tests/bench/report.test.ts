import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countActions } from '../../bench/history/actions.js';
import { shapeOf, toBarePlan } from '../../bench/history/shape.js';
import { hotSpots } from '../../bench/profile.js';
import { niceCeiling, renderSvg } from '../../bench/report/chart.js';
import { withResults } from '../../bench/report/docs.js';
import { merge, type Results, resultsSchema, type SectionResult, toMeasure } from '../../bench/report/results.js';
import { save } from '../../bench/report/save.js';
import { inWords, median, percentile } from '../../bench/report/stats.js';
import { sectionAsMarkdown, sectionAsText } from '../../bench/report/tables.js';
import { callsSince } from '../../bench/stage/calls.js';
import type { CallEntry, CallsView } from '../../src/simcloud/index.js';

const ROOT = new URL('../..', import.meta.url).pathname;

function section(more: Partial<SectionResult> = {}): SectionResult {
  return {
    name: 'throughput',
    title: 'Throughput',
    quick: false,
    at: '2026-11-23T10:00:00.000Z',
    seconds: 12,
    commit: 'abc',
    load: { before: 0.1, after: 2 },
    parameters: { instances: 200 },
    measures: [
      toMeasure('ratio', 'ours / bare', 0.75, '', { atLeast: 0.8 }),
      toMeasure('ours', 'provisions', 21.4, '/s'),
      toMeasure('cpu', 'CPU', Number.NaN, 'ms', { atMost: 5 }),
    ],
    panels: [
      {
        title: 'By round',
        unit: '1/s',
        kind: 'bars',
        x: ['round 1'],
        series: [{ name: 'provision', values: [21.4] }],
        targets: [{ label: 'wanted here', value: 25 }],
      },
    ],
    notes: ['a note'],
    ...more,
  };
}

function results(...sections: SectionResult[]): Results {
  return {
    version: 1,
    machine: { cpu: 'any', cores: 2, memoryGiB: 8, os: 'Linux' },
    versions: { Node: '20' },
    sections,
  };
}

describe('the figures of a section', () => {
  it.each([
    [[5, 1, 4, 2, 3], 0.5, 3],
    [[1, 2], 0.5, 1],
    [Array.from({ length: 200 }, (_, index) => index + 1), 0.99, 198],
    [[7], 0.99, 7],
  ])('are percentiles by nearest rank, each a value that was measured: of %j at %d', (values, share, expected) => {
    expect(percentile(values, share)).toBe(expected);
  });

  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
  ])('have the median of %j in the middle', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('are not made up where there is nothing: NaN, which is null in a result and meets no target', () => {
    expect(percentile([], 0.5)).toBeNaN();
    expect(median([])).toBeNaN();
    expect(toMeasure('x', 'x', Number.NaN, 'ms', { atMost: 5 })).toMatchObject({ value: null, met: false });
  });

  it.each([
    [0.8, { atLeast: 0.8 }, true],
    [0.79, { atLeast: 0.8 }, false],
    [45, { atMost: 45 }, true],
    [45.1, { atMost: 45 }, false],
  ])('meet a target at its very edge: %d against %j', (value, target, met) => {
    expect(toMeasure('x', 'x', value, '', target).met).toBe(met);
  });

  it.each([
    [0.756, '0.76'],
    [21.44, '21.4'],
    [1234.5, '1,235'],
    [3, '3'],
    [null, '–'],
  ])('show no more digits than were measured: %d as %s', (value, words) => {
    expect(inWords(value)).toBe(words);
  });
});

describe('results', () => {
  it('survive a round trip through JSON, as the schema has them', () => {
    const written = results(section());
    expect(resultsSchema.parse(JSON.parse(JSON.stringify(written)))).toEqual(written);
  });

  it('take a section that was measured again in place of the earlier one, and keep the others', () => {
    const merged = merge(
      results(section({ name: 'start-tax' }), section({ commit: 'old' })),
      results(section({ commit: 'new' })),
    );
    expect(merged.sections.map(({ name, commit }) => `${name} ${commit}`)).toEqual(['throughput new', 'start-tax abc']);
  });
});

describe('what people read', () => {
  it('says for each figure whether its target is met, on a terminal and on the page', () => {
    const text = sectionAsText(section(), undefined);
    expect(text).toMatch(/ours \/ bare +0\.75 +≥ 0\.80 +missed/);
    expect(text).toMatch(/provisions +21\.4 \/s$/m);
    const page = sectionAsMarkdown(section());
    expect(page).toContain('| ours / bare | 0.75 | ≥ 0.80 | missed |');
    expect(page).toContain('](performance/throughput.svg)');
    expect(page).toContain('commit abc');
  });

  it('says of a smoke run that its figures mean nothing', () => {
    expect(sectionAsText(section({ quick: true }), undefined)).toContain('smoke run');
  });

  it('writes between the markers of the page and nowhere else, again and again', async () => {
    const page = await readFile(join(ROOT, 'docs/performance.md'), 'utf8');
    const once = withResults(page, results(section()));
    expect(once).toContain('### Throughput');
    expect(once.slice(0, once.indexOf('## Results'))).toBe(page.slice(0, page.indexOf('## Results')));
    expect(once.slice(once.indexOf('## What was tried'))).toBe(page.slice(page.indexOf('## What was tried')));
    expect(withResults(once, results(section()))).toBe(once);
    expect(() => withResults('no markers', results(section()))).toThrow(/markers/);
  });

  it('draws every panel, with its series, and a target that lies above all bars', () => {
    const svg = renderSvg([
      ...section().panels,
      { title: 'Memory', unit: 'MiB', kind: 'lines', x: [0, 1, 2], series: [{ name: 'worker', values: [1, 3, 2] }] },
    ]);
    expect(svg).toMatch(/^<svg [^>]*width="760" height="560"/);
    for (const text of ['By round (1/s)', 'provision', 'wanted here', 'Memory (MiB)', 'worker'])
      expect(svg).toContain(text);
  });

  it.each([
    [25, 30],
    [0.8, 1],
    [700, 800],
    [1, 1.5],
    [0, 1],
  ])('ends an axis at a round number above what it shows: %d below %d', (value, ceiling) => {
    expect(niceCeiling(value)).toBeCloseTo(ceiling);
  });
});

describe('saving', () => {
  let out: string;
  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), 'slipway-bench-test-'));
  });
  afterAll(() => rm(out, { recursive: true, force: true }));

  it('shows the newest figures of every section, whichever day they are from', async () => {
    await save(ROOT, out, results(section({ at: '2026-11-22T10:00:00.000Z', name: 'cost', title: 'Cost' })));
    await save(ROOT, out, results(section({ at: '2026-11-22T11:00:00.000Z', commit: 'old' })));
    await save(ROOT, out, results(section({ at: '2026-11-23T10:00:00.000Z', commit: 'new' })));
    const first = resultsSchema.parse(JSON.parse(await readFile(join(out, 'bench/results/2026-11-22.json'), 'utf8')));
    expect(first.sections.map(({ name }) => name)).toEqual(['throughput', 'cost']);
    const page = await readFile(join(out, 'docs/performance.md'), 'utf8');
    expect(page).toContain('### Cost');
    expect(page).toContain('commit new');
    expect(page).not.toContain('commit old');
    expect(await readFile(join(out, 'docs/performance/throughput.svg'), 'utf8')).toMatch(/^<svg/);
  });

  it('does not write over a file that is not its own', async () => {
    await mkdir(join(out, 'other', 'bench', 'results'), { recursive: true });
    await writeFile(join(out, 'other', 'bench', 'results', '2026-11-23.json'), '{"mine": true}');
    await expect(save(ROOT, join(out, 'other'), results(section()))).rejects.toThrow();
    expect(await readFile(join(out, 'other', 'bench', 'results', '2026-11-23.json'), 'utf8')).toBe('{"mine": true}');
  });
});

describe('what is read from a history', () => {
  const payload = (data: string) => ({ payloads: [{ data: Buffer.from(data) }] });
  const json = (value: unknown) => JSON.stringify(value);
  const events = [
    { workflowExecutionStartedEventAttributes: { input: payload('x'.repeat(500)) } },
    {
      eventId: 5,
      activityTaskScheduledEventAttributes: { activityType: { name: 'a' }, input: payload('x'.repeat(120)) },
    },
    { activityTaskStartedEventAttributes: { attempt: 3 } },
    { activityTaskCompletedEventAttributes: { scheduledEventId: 5, result: payload('x'.repeat(80)) } },
    { workflowExecutionSignaledEventAttributes: {} },
    { timerStartedEventAttributes: {} },
    { upsertWorkflowSearchAttributesEventAttributes: {} },
    { workflowExecutionUpdateAcceptedEventAttributes: {} },
    { workflowTaskCompletedEventAttributes: {} },
  ] as unknown as Parameters<typeof countActions>[0] & object[];

  it('is what is billed: each attempt, signal, timer, upsert, update and the start; workflow tasks are not', () => {
    expect(countActions(events)).toBe(1 + 3 + 1 + 1 + 1 + 1);
  });

  it('makes a bare workflow that moves exactly as many bytes', () => {
    const shape = shapeOf({ events: events as never });
    expect(shape).toEqual({
      startBytes: 500,
      activities: [{ name: 'a', inputBytes: 120, resultBytes: 80 }],
      upserts: 1,
    });
    const plan = toBarePlan(shape);
    const [activity] = plan.activities;
    expect(json(plan).length).toBe(500);
    expect(json('x'.repeat(activity?.inputBytes ?? 0)).length + json(activity?.resultBytes).length).toBe(120);
    expect(json('x'.repeat(activity?.resultBytes ?? 0)).length).toBe(80);
  });
});

describe('calls to the provider', () => {
  const call = (more: Partial<CallEntry>): CallEntry => ({
    requestId: 'r',
    dialect: 'sim',
    operation: 'list',
    endpoint: 'GET /instances',
    at: 0,
    status: 200,
    ...more,
  });
  const view = (latest: CallEntry[], total = latest.length): CallsView => ({
    total,
    latest,
    byOperation: {},
    byEndpoint: {},
  });

  it('are told apart: a look for one refId, a listing of the account, a refusal for the rate', () => {
    const earlier = [call({})];
    const later = [
      call({ key: 'ref-1' }),
      call({ key: 'account:default', at: 100 }),
      call({ operation: 'create', endpoint: 'POST /instances', key: 'ref-1', status: 429, at: 130 }),
    ];
    expect(callsSince(view(earlier), view([...earlier, ...later]))).toEqual({
      total: 3,
      byEndpoint: { 'GET /instances (one refId)': 1, 'GET /instances (account)': 1, 'POST /instances': 1 },
      tooMany: 1,
      refused: [{ endpoint: 'POST /instances', afterMs: 30 }],
      accountListings: 1,
      reads: 2,
    });
  });

  it('are not counted from a record that has forgotten some', () => {
    expect(() => callsSince(view([]), view([call({})], 2))).toThrow(/more than simcloud keeps/);
  });
});

describe('hot spots', () => {
  it('are functions by their own time, and idleness is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-test-'));
    const frame = (functionName: string) => ({ functionName, url: 'file:///any/dist/worker.js', lineNumber: 9 });
    const profile = {
      nodes: ['(idle)', 'slow', 'quick'].map((name, id) => ({ id, callFrame: frame(name) })),
      samples: [0, 1, 2, 1],
      timeDeltas: [9_000_000, 200_000, 100_000, 100_000],
    };
    await writeFile(join(folder, 'CPU.1.cpuprofile'), JSON.stringify(profile));
    const lines = (await hotSpots(folder)).split('\n');
    expect(lines[0]).toContain('0.4 s of CPU');
    expect(lines.slice(1)).toEqual(['  75.0%  slow dist/worker.js:10', '  25.0%  quick dist/worker.js:10']);
    await rm(folder, { recursive: true });
  });
});
