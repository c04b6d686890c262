/** A part of a GPU: the profile as it was written, and its memory in GB. */
export interface Slice {
  fraction: string;
  memoryGb: number;
}

/** MIG's `1g.10gb`, vGPU's `24Q`, `10C`, `3-20C`. @param after What follows the family's name, in lower case. */
export function sliceOf(after: string): Slice | undefined {
  const mig = /(?<![a-z0-9])(\d+g\.(\d+)gb)(?![a-z0-9])/.exec(after);
  if (mig) return { fraction: mig[1] ?? '', memoryGb: Number(mig[2]) };
  // At the end only: Vultr's `a100-12c-120g-80vram` has twelve vCPUs.
  const vgpu = /-((?:\d+-)?(\d+)[qc])\s*$/.exec(after);
  if (vgpu) return { fraction: (vgpu[1] ?? '').toUpperCase(), memoryGb: Number(vgpu[2]) };
  return undefined;
}
