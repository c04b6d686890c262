/** What a GPU is called, whoever says it: the door to `gpu/`. */
export type { GpuHints, GpuManufacturer, GpuName, Interconnect } from './gpu/gpu-name.js';
export { isGpu } from './gpu/is-gpu.js';
export { normaliseGpu } from './gpu/normalise.js';
