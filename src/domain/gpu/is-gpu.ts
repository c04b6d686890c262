import type { GpuName } from './gpu-name.js';
import { GENERATIONS, sizesOf } from './memory-sizes.js';
import { normaliseGpu } from './normalise.js';

/**
 * Whether a device that its driver names `seen` is the GPU that a person calls `wanted`.
 *
 * Both are read, and the families compared: `H100` is `NVIDIA H100 80GB HBM3`, and not `NVIDIA H200`. What `wanted` says
 * beyond (memory, form factor) must not be contradicted; what the driver does not say contradicts nothing. A slice is
 * the GPU only if it was asked for, or holds all of its memory. Where a name is not known to us, it must stand in the
 * other, whole.
 */
export function isGpu(seen: string, wanted: string): boolean {
  const one = normaliseGpu(seen);
  const other = normaliseGpu(wanted);
  if (one.name === undefined || other.name === undefined) return holdsWhole(seen, wanted);
  return isFamily(one.name, other.name) && !contradicts(one, other);
}

/** Whoever says `RTX 6000` has left open which of its generations. */
function isFamily(seen: string, wanted: string): boolean {
  return seen === wanted || Object.values(GENERATIONS[wanted] ?? {}).includes(seen);
}

function contradicts(seen: GpuName, wanted: GpuName): boolean {
  const isPart = seen.fraction !== undefined && !sizesOf(seen.name ?? '').includes(seen.memoryGb ?? 0);
  if (wanted.fraction === undefined ? isPart : wanted.fraction !== seen.fraction) return true;
  return (
    differ(seen.memoryGb, wanted.memoryGb) ||
    (differ(seen.interconnect, wanted.interconnect) && !isSxm(seen.interconnect, wanted.interconnect))
  );
}

function differ<T>(a: T | undefined, b: T | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

/** A bare `SXM` leaves open which. */
function isSxm(a = '', b = ''): boolean {
  return (a === 'SXM' && b.startsWith('SXM')) || (b === 'SXM' && a.startsWith('SXM'));
}

/** Whole: `A10` is not in `A100`. Whatever the case and the separators: `rtx4090` is in `GeForce RTX 4090`. */
function holdsWhole(seen: string, wanted: string): boolean {
  const parts = wanted.toLowerCase().match(/[a-z]+|\d+/g);
  if (!parts) return false;
  return new RegExp(`(?<![a-z0-9])${parts.join('[^a-z0-9]*')}(?![a-z0-9])`).test(seen.toLowerCase());
}
