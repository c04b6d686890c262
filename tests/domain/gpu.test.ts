import { describe, expect, it } from 'vitest';
import { isGpu } from '../../src/domain/gpu.js';

describe('the GPU that a driver names', () => {
  it.each([
    ['NVIDIA A10', 'A10'],
    ['NVIDIA A10', 'nvidia a10'],
    ['NVIDIA H100 80GB HBM3', 'h100'],
    ['NVIDIA GeForce RTX 4090', 'rtx4090'],
    ['NVIDIA RTX 6000 Ada Generation', 'RTX-6000-Ada'],
    ['NVIDIA A100-SXM4-80GB', 'A100 SXM4'],
    ['AMD Instinct MI300X', 'MI300X'],
  ])('%s is what a person calls %s', (seen, wanted) => expect(isGpu(seen, wanted)).toBe(true));

  it.each([
    ['NVIDIA A100-SXM4-80GB', 'A10'],
    ['NVIDIA A10G', 'A10'],
    ['NVIDIA GH200 480GB', 'H200'],
    ['NVIDIA L40S', 'L40'],
    ['NVIDIA A10', 'H100'],
    ['NVIDIA A10', '-'],
  ])('%s is not what a person calls %s', (seen, wanted) => expect(isGpu(seen, wanted)).toBe(false));
});
