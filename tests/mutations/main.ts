/**
 * `npm run mutations`: takes each guard away, in a copy of the tree, and runs the tests that must notice. Exits 1 when a
 * mutation survives, or does not fit the source any more.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { MUTATIONS } from './mutations.js';

const only = process.argv[2];
const copy = mkdtempSync(join(tmpdir(), 'slipway-mutant-'));
let survivors = 0;
try {
  for (const part of ['src', 'tests', 'tools', 'docs', 'package.json', 'tsconfig.json', 'vitest.config.ts']) {
    cpSync(part, join(copy, part), { recursive: true });
  }
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
  for (const { guard, file, find, replace, tests } of MUTATIONS) {
    if (only && !guard.includes(only)) continue;
    const path = join(copy, file);
    const source = readFileSync(path, 'utf8');
    if (source.split(find).length !== 2) {
      console.log(`OUT OF DATE  ${guard}: ${file} has not exactly one ${JSON.stringify(find)}`);
      survivors += 1;
      continue;
    }
    // A function as the replacement: `$` means nothing in it.
    const mutant = source.replace(find, () => replace);
    const needsInfo = mutant.includes('activityInfo()') && !source.includes('activityInfo');
    writeFileSync(path, needsInfo ? `import { activityInfo } from '@temporalio/activity';\n${mutant}` : mutant);
    const { status, stdout, stderr } = spawnSync('npx', ['vitest', 'run', ...tests], { cwd: copy, encoding: 'utf8' });
    writeFileSync(path, source);
    const failing = [...new Set(stripVTControlCharacters(stdout + stderr).match(/FAIL .*/g) ?? [])];
    const caught = status !== 0 && failing.length > 0;
    if (!caught) survivors += 1;
    console.log(`${caught ? 'caught     ' : 'SURVIVED   '}  ${guard}`);
    for (const line of failing.slice(0, 3)) console.log(`               ${line.replace(/^FAIL\s+/, '')}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exit(survivors > 0 ? 1 : 0);
