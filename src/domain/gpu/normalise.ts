import { countOf } from './count.js';
import { findFamily } from './find-family.js';
import { formFactorOf } from './form-factor.js';
import type { GpuHints, GpuManufacturer, GpuName } from './gpu-name.js';
import { memoryFromHint, memoryIn } from './memory.js';
import { GENERATIONS } from './memory-sizes.js';
import { sliceOf } from './slice.js';
import { subjectOf } from './subject.js';

/**
 * Reads what a provider, a driver or a person calls a GPU. Reads, and never infers: what the text (or a hint) does not
 * say stays absent, and a name that is not known passes through as `raw` alone.
 */
export function normaliseGpu(raw: string, hints: GpuHints = {}): GpuName {
  const subject = subjectOf(raw);
  const found = findFamily(subject);
  if (!found) return compact({ raw, manufacturer: makerOf(subject) });

  const count = countOf(found);
  const slice = sliceOf(found.after);
  const said = slice?.memoryGb ?? memoryIn([found.after, found.before], found.name, count);
  const memoryGb = said ?? memoryFromHint(hints.memoryGb, found.name);
  return compact({
    raw,
    manufacturer: found.manufacturer,
    name: GENERATIONS[found.name]?.[memoryGb ?? 0] ?? found.name,
    memoryGb,
    interconnect: formFactorOf(found.after, hints.interconnect),
    count,
    fraction: slice?.fraction,
  });
}

/** Words that only makers of GPUs use. AMD and Intel make CPUs too. */
const MAKERS: readonly [RegExp, GpuManufacturer][] = [
  [/(?<![a-z])(?:nvidia|geforce|quadro|tesla)(?![a-z])/, 'NVIDIA'],
  [/(?<![a-z])(?:radeon|instinct)(?![a-z])/, 'AMD'],
  [/(?<![a-z])(?:gaudi|habana)(?![a-z])/, 'Intel'],
];

function makerOf(subject: string): GpuManufacturer | undefined {
  return MAKERS.find(([word]) => word.test(subject))?.[1];
}

/** Without its undefined fields: they would become `null` or vanish on the way through JSON. */
function compact(gpu: { [Field in keyof GpuName]: GpuName[Field] | undefined } & { raw: string }): GpuName {
  return Object.fromEntries(Object.entries(gpu).filter(([, value]) => value !== undefined)) as unknown as GpuName;
}
