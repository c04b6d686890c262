import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderSvg } from './chart.js';
import { withResults } from './docs.js';
import { merge, type Results, resultsSchema } from './results.js';

const PAGE = join('docs', 'performance.md');

/**
 * Writes `bench/results/<date>.json`, a picture of each section that was measured, and the tables in docs/performance.md,
 * all below `out`. The page shows the newest figures of every section, whichever day they are from.
 * @returns the files written.
 */
export async function save(root: string, out: string, results: Results): Promise<string[]> {
  const folder = join(out, 'bench', 'results');
  const pictures = join(out, 'docs', 'performance');
  await mkdir(folder, { recursive: true });
  await mkdir(pictures, { recursive: true });
  const day = results.sections[0]?.at.slice(0, 10) ?? new Date().toISOString().slice(0, 10);
  const file = join(folder, `${day}.json`);
  const today = resultsSchema.parse(merge(await read(file), results));
  await writeFile(file, `${JSON.stringify(today, undefined, 2)}\n`);

  const written = [file];
  for (const { name, panels } of results.sections) {
    const picture = join(pictures, `${name}.svg`);
    await writeFile(picture, renderSvg(panels));
    written.push(picture);
  }
  const page = (await readText(join(out, PAGE))) ?? (await readFile(join(root, PAGE), 'utf8'));
  await writeFile(join(out, PAGE), withResults(page, await newest(folder)));
  return [...written, join(out, PAGE)];
}

/** Of each section the latest figures that there are; machine and versions of the latest run. */
async function newest(folder: string): Promise<Results> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  const all = await Promise.all(files.map((name) => read(join(folder, name))));
  const known = all.filter((one) => one !== undefined).reduce((earlier, later) => merge(earlier, later));
  return known;
}

/** @throws {Error} when it is not ours, or of another version: it is not written over. */
async function read(file: string): Promise<Results | undefined> {
  const text = await readText(file);
  return text === undefined ? undefined : resultsSchema.parse(JSON.parse(text));
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
