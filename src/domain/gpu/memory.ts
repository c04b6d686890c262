import { sizesOf } from './memory-sizes.js';

/** Host memory stands behind the vCPUs: `28v_160g`, `8gpu-128vcpu-1600gb`, `4x32v64gb`, `12c-120g`. */
const HOST_MEMORY = /\d+\s?(?:vcpus?|v|c)[^a-z0-9]*\d+\s?(?:gib|gb|g)(?![a-z0-9])/g;
const GIGABYTES = /(?<![a-z0-9]|\d\.)(\d+)\s?(?:gib|gb|g)(?![a-wyz0-9/])/g;
/** A hint is as far from the nominal size as GB are from GiB, at the most. */
const TOLERANCE = 0.07;

/**
 * The memory of one GPU in GB, as the text says it. A number counts if the family is sold with it, or if that many
 * GPUs have it together: `gpu-h100x8-640gb` are 80 each.
 */
export function memoryIn(texts: readonly string[], name: string, count: number | undefined): number | undefined {
  const sizes = sizesOf(name);
  for (const text of texts) {
    const vram = /(?<![a-z0-9.])(\d+)vram(?![a-z0-9])/.exec(text)?.[1];
    if (vram !== undefined) return Number(vram);
    // Verda: GPUs, memory, vCPUs, as in `1H100.80S.30V`
    const verda = /^\.(\d+)s\.(?=\d+v)/.exec(text)?.[1];
    if (verda !== undefined && sizes.includes(Number(verda))) return Number(verda);
  }
  for (const text of texts) {
    for (const [, digits] of text.replace(HOST_MEMORY, ' ').matchAll(GIGABYTES)) {
      const gigabytes = Number(digits);
      if (sizes.includes(gigabytes)) return gigabytes;
      if (count !== undefined && sizes.includes(gigabytes / count)) return gigabytes / count;
    }
  }
  return undefined;
}

/** The nearest size that the family is sold with, if it can be meant; else the hint itself, whole. */
export function memoryFromHint(hint: number | undefined, name: string): number | undefined {
  if (hint === undefined || !Number.isFinite(hint) || hint <= 0) return undefined;
  const [nearest] = sizesOf(name).toSorted((a, b) => Math.abs(a - hint) - Math.abs(b - hint));
  if (nearest !== undefined && Math.abs(nearest - hint) <= nearest * TOLERANCE) return nearest;
  return Math.round(hint) || undefined;
}
