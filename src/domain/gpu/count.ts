import type { Found } from './find-family.js';

/*
 * How many GPUs a name speaks of. Providers have found many ways to say it, and as many numbers that say something
 * else: vCPUs, host memory, PCIe lanes, slices, versions. Only forms that are known to mean GPUs are read.
 */

type Form = (found: Found) => string | undefined;

/** The first that says something wins: those that fit one provider's names only come first. */
const FORMS: readonly Form[] = [
  // Cudo, Yotta: `_8x64v128gb` is GPUs, vCPUs, memory
  ({ before, after }) => first(/(?<![a-z0-9])(\d+)x\d+v\d+g/, before, after),
  // IBM: `gx3-64x320x4l4` is vCPUs, memory, GPUs
  ({ before }) => first(/^gx[^-]*-\d+x\d+x(\d+)$/, before),
  // OCI: `BM.GPU.H200.8`
  ({ before, after }) => (/^(?:bm|vm)\.gpu\.$/.test(before) ? first(/\.(\d+)$/, after) : undefined),
  // Vultr: `vbm-112c-2048gb-8-a100-gpu`
  ({ before, after }) => (after.startsWith('-gpu') ? first(/-(\d+)-$/, before) : undefined),
  // Linode: `g1-gpu-rtx6000-1`, `g2-gpu-rtx4000a1-s`
  ({ before, after }) => (/^g\d-gpu-$/.test(before) ? first(/^-?(\d+)(?![a-z0-9])/, after) : undefined),
  // Scaleway: `H100-SXM-2-80G`
  ({ after }) => first(/^(?:-sxm\d?|-pcie)?-(\d+)-\d+g(?![a-z0-9.])/, after),
  // Prime Intellect: `H100 80GB HBM3_8`
  ({ after }) => first(/hbm\de?_(\d+)$/, after),
  // Verda: `1H100.80S.30V`
  ({ before }) => first(/^(\d+)$/, before),

  // `8x NVIDIA H100`, `gpu_8x_h100`, `1x_DGX_A100`
  ({ before }) => first(BEFORE, before),
  // `mi300x8`, whose X is the family's
  ({ name, after }) => (name.endsWith('X') ? first(/^(\d+)(?![a-z0-9])/, after) : undefined),
  // `A100x8`, `A100-x8`, `sxm4x8`, `32Gx4`, `basex4`
  ({ after }) => first(/(?:^|[^a-z0-9]|sxm\d|\d(?:g|gb|gib)|[a-wyz])x(\d+)(?![a-z0-9])/, withoutLanes(after)),
  // `8gpu`
  ({ before, after }) => first(/(?<![a-z0-9])(\d+)gpus?(?![a-z0-9])/, before, after),
  // `a40.8x`, `H100-SXM_8x`, `L40S GPU Droplet - 1X`
  ({ after }) => first(/[^a-z0-9](\d+)x(?![a-z0-9])(?![^a-z0-9]*(?:xeon|epyc|intel|amd|v?cpu|core))/, after),
  // `::8`, `:8`, `=8`
  ({ after }) => first(/^[^(]*?[:=](\d+)(?![a-z0-9])/, after),
];

const BEFORE =
  /(?:^|[^a-z0-9])(\d+)x[^a-z0-9]*(?:(?:nvidia|tesla|geforce|quadro|rtx|grid|amd|instinct|radeon|intel|habana|aws|qualcomm|tenstorrent|dgx|hgx)[^a-z0-9]*)*$/;

/** @returns the count, or nothing where the name does not say it: then it is not 1 either. */
export function countOf(found: Found): number | undefined {
  if (found.manufacturer === 'Google') return undefined; // cores in some generations, chips in others
  for (const form of FORMS) {
    const count = Number(form(found) ?? 0);
    if (count > 0 && count <= MOST) return count;
  }
  return undefined;
}

const MOST = 1_024;

function first(pattern: RegExp, ...texts: string[]): string | undefined {
  for (const text of texts) {
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `x86` is an architecture. */
function withoutLanes(text: string): string {
  return text.replace(/x86(?:_64)?/g, '');
}
