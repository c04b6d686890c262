import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shortHistory } from '../history/short-history.js';
import { toMeasure } from '../report/results.js';
import { median } from '../report/stats.js';
import { startChild } from '../stage/child.js';
import { sdkOnlyBundle } from '../stage/stage.js';
import type { Section } from './section.js';

/** As `npm run build` writes it. */
const OUR_BUNDLE = fileURLToPath(new URL('../../dist/workflow-bundle.cjs', import.meta.url));

/** CPU for each workflow that starts: the very bundle we ship against one with the SDK alone, by replay; no server. */
export const startTax: Section = {
  name: 'start-tax',
  title: 'Start tax of our bundle',
  async run(run) {
    const pairs = run.given.rounds ?? (run.quick ? 1 : 5);
    const replays = run.quick ? 20 : 500;
    const warmUp = run.quick ? 5 : 100;
    const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-replay-'));
    try {
      const sdkOnly = join(folder, 'sdk-only.cjs');
      const history = join(folder, 'history.json');
      await writeFile(sdkOnly, await sdkOnlyBundle('refusing'));
      await writeFile(history, JSON.stringify(shortHistory()));
      const replay = async (bundle: string): Promise<number> => {
        const env = {
          BENCH_BUNDLE: bundle,
          BENCH_HISTORY: history,
          BENCH_WARM_UP: `${warmUp}`,
          BENCH_REPLAYS: `${replays}`,
        };
        const flags = run.profile && bundle === OUR_BUNDLE ? ['--cpu-prof', `--cpu-prof-dir=${run.profile}`] : [];
        const child = await startChild<{ cpuMsPerStart: number }>('replay', env, flags);
        await child.end();
        return child.told.cpuMsPerStart;
      };
      const rounds: { ours: number; sdk: number }[] = [];
      for (let index = 0; index < pairs; index++) {
        const first = await replay(index % 2 === 0 ? OUR_BUNDLE : sdkOnly);
        const second = await replay(index % 2 === 0 ? sdkOnly : OUR_BUNDLE);
        rounds.push(index % 2 === 0 ? { ours: first, sdk: second } : { ours: second, sdk: first });
        run.say(
          `round ${index + 1}: ours ${rounds.at(-1)?.ours.toFixed(2)} ms, SDK only ${rounds.at(-1)?.sdk.toFixed(2)} ms`,
        );
      }
      return report(rounds, replays);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

function report(rounds: { ours: number; sdk: number }[], replays: number) {
  return {
    parameters: { rounds: rounds.length, replays },
    measures: [
      toMeasure(
        'ratio',
        'ours / SDK only, median of the rounds',
        median(rounds.map(({ ours, sdk }) => ours / sdk)),
        '',
        { atMost: 1.25 },
      ),
      toMeasure('ours', 'CPU per start, our bundle', median(rounds.map(({ ours }) => ours)), 'ms'),
      toMeasure('sdk-only', 'CPU per start, SDK only', median(rounds.map(({ sdk }) => sdk)), 'ms'),
    ],
    panels: [
      {
        title: 'CPU per workflow start, by round',
        unit: 'ms',
        kind: 'bars' as const,
        x: rounds.map((_, index) => `round ${index + 1}`),
        series: [
          { name: 'our bundle', values: rounds.map(({ ours }) => ours) },
          { name: 'SDK only', values: rounds.map(({ sdk }) => sdk) },
        ],
      },
    ],
    notes: [
      'The history is the shortest that both can replay: an `instance` whose request is refused in its first task. What differs is what the bundles load.',
    ],
  };
}
