/**
 * `npm run chaos -- [--provider lambda-labs] [--instances 200] [--seed S]`: exits 1 unless nothing was doubled, leaked, lost,
 * stuck or misjournaled.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { findTemporalCli } from '../../src/temporal/cli-binary.js';
import { DIALECTS } from '../support/dialects.js';
import { runChaos } from './run.js';

const { values } = parseArgs({
  options: {
    provider: { type: 'string', default: 'sim' },
    instances: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'boolean' },
  },
});
const instances = Number(values.instances ?? 200);
if (!Number.isInteger(instances) || instances < 1) {
  console.error('--instances must be a whole number from 1 on');
  process.exit(2);
}
const { provider } = values;
if (!Object.hasOwn(DIALECTS, provider)) {
  console.error(`--provider must be one of ${Object.keys(DIALECTS).join(', ')}`);
  process.exit(2);
}
const seed = values.seed ?? randomBytes(4).toString('hex');
const startedAt = Date.now();
const say = (line: string) => console.error(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(7)}s  ${line}`);

say(`chaos: ${instances} instances at ${provider}, seed ${seed} (the same seed gives the same schedule)`);
const cliPath = await findTemporalCli({ report: say });
const report = await runChaos({ provider, instances, seed, cliPath, report: say });
const { doubled, leaked, lost, stuck, misjournaled, details, ...rest } = report;
if (values.json) console.log(JSON.stringify(report, null, 2));
else {
  console.log(JSON.stringify(rest, null, 2));
  for (const line of details) console.log(line);
  console.log(
    `\nseed ${seed}: doubled ${doubled}, leaked ${leaked}, lost ${lost}, stuck ${stuck}, misjournaled ${misjournaled}`,
  );
}
process.exit(doubled + leaked + lost + stuck + misjournaled > 0 ? 1 : 0);
