export type GpuManufacturer = 'NVIDIA' | 'AMD' | 'Intel' | 'Google' | 'AWS' | 'Qualcomm' | 'Tenstorrent';

export const INTERCONNECTS = ['PCIe', 'SXM', 'SXM2', 'SXM3', 'SXM4', 'SXM5', 'SXM6', 'NVL', 'OAM'] as const;
/** How the board is built. `SXM`: which one was not said. */
export type Interconnect = (typeof INTERCONNECTS)[number];

/** What the provider's API says beside the name. What the name itself says wins. */
export interface GpuHints {
  /** Of one GPU, as the provider reports it; in GB or GiB, which are told apart by the sizes that exist. */
  memoryGb?: number;
  /** The provider's word, in any case; words that are no form factor are ignored. */
  interconnect?: string;
}

/** A GPU's name, read and taken apart. What is absent was not said: an absent count is not 1. */
export interface GpuName {
  /** As it came. */
  raw: string;
  manufacturer?: GpuManufacturer;
  /** The family, in the vendor's spelling: `H100`, `RTX 6000 Ada`. Absent: no GPU that we know. */
  name?: string;
  /** Of one GPU, or of the slice: nominal decimal gigabytes, whole. */
  memoryGb?: number;
  interconnect?: Interconnect;
  count?: number;
  /** A MIG or vGPU profile, as `1g.10gb` or `24Q`: this is a part of a GPU. */
  fraction?: string;
}
