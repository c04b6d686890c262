import { z } from 'zod';

/*
 * What a run leaves behind: `bench/results/<date>.json`. Figures only ever stand beside where, when and of what commit
 * they were measured; a section that is measured again on the same day takes the place of the earlier one.
 */

const target = z.union([z.strictObject({ atMost: z.number() }), z.strictObject({ atLeast: z.number() })]);
export type Target = z.output<typeof target>;

const measure = z.strictObject({
  /** Stable, kebab-case: what a script that compares runs looks for. */
  name: z.string(),
  label: z.string(),
  /** null: there was nothing to measure; a note says why. */
  value: z.number().nullable(),
  unit: z.string(),
  target: target.optional(),
  /** Present with a target. */
  met: z.boolean().optional(),
});
export type Measure = z.output<typeof measure>;

const panel = z.strictObject({
  title: z.string(),
  unit: z.string(),
  kind: z.enum(['bars', 'stacked', 'lines']),
  /** Below the axis: one per value, or for lines the numbers of the x axis. */
  x: z.array(z.union([z.string(), z.number()])),
  xUnit: z.string().optional(),
  series: z.array(z.strictObject({ name: z.string(), values: z.array(z.number().nullable()) })),
  targets: z.array(z.strictObject({ label: z.string(), value: z.number() })).optional(),
});
export type Panel = z.output<typeof panel>;

export const SECTION_NAMES = ['throughput', 'overhead', 'calls', 'cost', 'scale', 'start-tax'] as const;
export type SectionName = (typeof SECTION_NAMES)[number];

const section = z.strictObject({
  name: z.enum(SECTION_NAMES),
  title: z.string(),
  /** A smoke run: the figures mean nothing. */
  quick: z.boolean(),
  at: z.string(),
  seconds: z.number(),
  commit: z.string(),
  /** The machine's load average over a minute, before and after: above the number of cores, others were at work. */
  load: z.strictObject({ before: z.number(), after: z.number() }),
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
  measures: z.array(measure),
  panels: z.array(panel),
  notes: z.array(z.string()),
});
export type SectionResult = z.output<typeof section>;

export const resultsSchema = z.strictObject({
  version: z.literal(1),
  machine: z.strictObject({
    cpu: z.string(),
    cores: z.number(),
    memoryGiB: z.number(),
    os: z.string(),
  }),
  versions: z.record(z.string(), z.string()),
  sections: z.array(section),
});
export type Results = z.output<typeof resultsSchema>;

/** What a section hands over; the rest is the same for all. */
export type Measured = Pick<SectionResult, 'parameters' | 'measures' | 'panels' | 'notes'>;

/** A measure with its verdict. What could not be measured meets no target. */
export function toMeasure(name: string, label: string, value: number, unit: string, target?: Target): Measure {
  const known = Number.isFinite(value) ? value : null;
  return { name, label, value: known, unit, ...(target && { target, met: known !== null && meets(known, target) }) };
}

export function meets(value: number, target: Target): boolean {
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
}

/** The newer sections take the place of those of the same name; the order is always that of `SECTION_NAMES`. */
export function merge(earlier: Results | undefined, later: Results): Results {
  const sections = new Map([...(earlier?.sections ?? []), ...later.sections].map((one) => [one.name, one]));
  return {
    ...later,
    versions: { ...earlier?.versions, ...later.versions },
    sections: SECTION_NAMES.flatMap((name) => sections.get(name) ?? []),
  };
}
