import { FAMILIES } from './families.js';
import type { GpuManufacturer } from './gpu-name.js';

/** A family's name, and where it stood: what is left and right of it says the rest. */
export interface Found {
  manufacturer: GpuManufacturer;
  name: string;
  before: string;
  after: string;
}

/** The first family in the text; of those that overlap it, the longest: `Quadro RTX 6000` before `RTX 6000`. */
export function findFamily(subject: string): Found | undefined {
  let best: (Found & { start: number; end: number }) | undefined;
  for (const { manufacturer, pattern, toName } of FAMILIES) {
    for (const match of subject.matchAll(pattern)) {
      const [whole, ...parts] = match;
      const start = match.index;
      const end = start + whole.length;
      if (best && !isBetter({ start, end }, best)) continue;
      const name = toName(parts.map((part) => part ?? ''));
      best = { manufacturer, name, before: subject.slice(0, start), after: subject.slice(end), start, end };
    }
  }
  if (!best) return undefined;
  const { manufacturer, before, after } = best;
  return { manufacturer, name: best.name + laptopOf(best.name, after), before, after };
}

interface Span {
  start: number;
  end: number;
}

function isBetter(one: Span, other: Span): boolean {
  const overlaps = one.start < other.end && other.start < one.end;
  return overlaps ? one.end - one.start > other.end - other.start : one.start < other.start;
}

/** Max-Q is a laptop's part, but an edition of the RTX PRO for desktops. */
function laptopOf(name: string, after: string): string {
  const hasLaptops = /^(?:GTX|RTX|Quadro) /.test(name);
  const words = name.startsWith('RTX PRO') ? /laptop|mobile/ : /laptop|mobile|max-?q/;
  return hasLaptops && words.test(after) ? ' Laptop' : '';
}
