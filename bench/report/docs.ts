import type { Results } from './results.js';
import { sectionAsMarkdown } from './tables.js';

const BEGIN = '<!-- npm run bench writes from here -->';
const END = '<!-- to here -->';

/** The page with the block between the markers made anew. @throws {Error} when the markers are not there. */
export function withResults(page: string, results: Results): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error(`docs/performance.md lacks the markers ${BEGIN} and ${END}`);
  return `${page.slice(0, from + BEGIN.length)}\n\n${block(results)}\n\n${page.slice(to)}`;
}

function block({ machine, versions, sections }: Results): string {
  const { cpu, cores, memoryGiB, os } = machine;
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const missed = sections.flatMap(({ title, measures }) =>
    measures.filter(({ met }) => met === false).map(({ label }) => `${title}: ${label}`),
  );
  return [
    `Measured on ${cores} cores of ${cpu}, ${memoryGiB} GiB, ${os}; ${used.join(', ')}.`,
    '',
    missed.length === 0 ? 'Every target is met.' : `Targets missed: ${missed.join('; ')}.`,
    '',
    sections.map(sectionAsMarkdown).join('\n\n'),
  ].join('\n');
}
