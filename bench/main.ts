/**
 * `npm run bench -- [throughput overhead calls cost scale start-tax] [--quick] [--out DIR] [--instances N] [--rounds N]
 * [--profile DIR]`: measures, and never fails on a figure. Exits 1 when a section could not be measured.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hotSpots } from './profile.js';
import { commit, load, machine, versions } from './report/machine.js';
import { SECTION_NAMES, type SectionName, type SectionResult } from './report/results.js';
import { save } from './report/save.js';
import { sectionAsText } from './report/tables.js';
import { SECTIONS } from './sections/index.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    instances: { type: 'string' },
    rounds: { type: 'string' },
    profile: { type: 'string' },
  },
});
const names = (positionals.length > 0 ? positionals : SECTION_NAMES) as SectionName[];
for (const name of names) if (!SECTION_NAMES.includes(name)) usage(`there is no section ${name}`);
const given = { instances: count('instances'), rounds: count('rounds') };
const { quick } = values;
// Figures of a smoke run must not land where people read.
const out = values.out ? resolve(values.out) : quick ? mkdtempSync(join(tmpdir(), 'slipway-bench-out-')) : ROOT;
const profile = values.profile && resolve(values.profile);

const startedAt = Date.now();
const say = (line: string) => console.error(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(7)}s  ${line}`);
const used = versions();
let failed = 0;
for (const name of SECTION_NAMES.filter((one) => names.includes(one))) {
  const section = SECTIONS[name];
  say(`${name}: ${section.title}`);
  const at = new Date();
  const before = load();
  try {
    const measured = await section.run({
      quick,
      given,
      profile,
      say: (line) => say(`  ${line}`),
      version: (what, version) => {
        used[what] = version;
      },
    });
    const seconds = Math.round((Date.now() - at.getTime()) / 100) / 10;
    const result: SectionResult = {
      name,
      title: section.title,
      quick,
      at: at.toISOString(),
      seconds,
      commit: commit(ROOT),
      load: { before, after: load() },
      ...measured,
    };
    console.log(sectionAsText(result, process.stdout.isTTY ? process.stdout.columns : undefined));
    // After each section: what took an hour must not be lost with what fails in the next minute.
    const files = await save(ROOT, out, { version: 1, machine: machine(), versions: used, sections: [result] });
    say(`wrote ${files.join(', ')}`);
  } catch (error) {
    failed += 1;
    say(`${name} could not be measured: ${error instanceof Error ? error.stack : error}`);
  }
}
if (profile) console.log(await hotSpots(profile));
process.exit(failed > 0 ? 1 : 0);

function count(name: 'instances' | 'rounds'): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : usage(`--${name} must be a whole number from 1 on`);
}

function usage(problem: string): never {
  console.error(
    `${problem}\nnpm run bench -- [${SECTION_NAMES.join(' ')}] [--quick] [--out DIR] [--instances N] [--rounds N] [--profile DIR]`,
  );
  process.exit(2);
}
