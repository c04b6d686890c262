import { type Column, table as textTable } from '../../src/cli/table.js';
import { table as markdownTable } from '../../src/docs/table.js';
import type { Measure, SectionResult } from './results.js';
import { inWords } from './stats.js';

export function targetInWords({ target }: Measure): string {
  if (!target) return '';
  return 'atMost' in target ? `≤ ${inWords(target.atMost)}` : `≥ ${inWords(target.atLeast)}`;
}

function verdict({ met }: Measure): string {
  return met === undefined ? '' : met ? 'met' : 'missed';
}

const inFigures = ({ value, unit }: Measure) => `${inWords(value)}${value === null || unit === '' ? '' : ` ${unit}`}`;

const COLUMNS: Column<Measure>[] = [
  { title: 'measured', text: ({ label }) => label, min: 20 },
  { title: 'value', text: inFigures },
  { title: 'target', text: targetInWords },
  { title: '', text: verdict },
];

/** For a terminal. */
export function sectionAsText(section: SectionResult, width: number | undefined): string {
  const head = `${section.title}${section.quick ? '  (a smoke run: the figures mean nothing)' : ''}`;
  const notes = section.notes.map((note) => `  ${note}`);
  return [head, '', ...textTable(COLUMNS, section.measures, width).map((line) => `  ${line}`), ...notes, ''].join('\n');
}

/** For docs/performance.md. */
export function sectionAsMarkdown(section: SectionResult): string {
  const rows = section.measures.map((one) => [one.label, inFigures(one), targetInWords(one), verdict(one)]);
  const { name, title, at, seconds, commit, load, parameters, notes } = section;
  const with_ = Object.entries(parameters).map(([key, value]) => `${key} ${value}`);
  return [
    `### ${title}`,
    '',
    markdownTable(['measured', 'value', 'target', ''], rows),
    '',
    `![${title}](performance/${name}.svg)`,
    '',
    ...(notes.length > 0 ? [...notes.map((note) => `* ${note}`), ''] : []),
    `<sub>${at.slice(0, 16).replace('T', ' ')} UTC, commit ${commit}, ${Math.round(seconds)} s; load ${inWords(load.before)} before and ` +
      `${inWords(load.after)} after; ${with_.join(', ')}.</sub>`,
  ].join('\n');
}
