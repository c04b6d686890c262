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
    ['NVIDIA A100-SXM4-80GB', 'A100 80GB'],
    ['NVIDIA H100 80GB HBM3', '8x H100 SXM5'],
    ['NVIDIA H200', 'H200 SXM'],
    ['NVIDIA RTX A6000', 'A6000'],
    ['Tesla V100-SXM2-16GB', 'NVIDIA_V100'],
    ['Quadro RTX 6000', 'RTX 6000'],
    ['NVIDIA RTX 6000 Ada Generation', 'RTX 6000'],
    ['NVIDIA GeForce RTX 4070 Ti SUPER', 'RTX 4070S Ti'],
    ['NVIDIA A10-24Q', 'A10'],
    ['NVIDIA H100 80GB HBM3 MIG 1g.10gb', 'H100 MIG 1g.10gb'],
    ['NVIDIA X9000 Tomorrow', 'x9000'],
  ])('%s is what a person calls %s', (seen, wanted) => expect(isGpu(seen, wanted)).toBe(true));

  it.each([
    ['NVIDIA A100-SXM4-80GB', 'A10'],
    ['NVIDIA A10G', 'A10'],
    ['NVIDIA GH200 480GB', 'H200'],
    ['NVIDIA L40S', 'L40'],
    ['NVIDIA A10', 'H100'],
    ['NVIDIA A10', '-'],
    ['NVIDIA H200', 'H100'],
    ['NVIDIA GH200 480GB', 'H100'],
    ['NVIDIA A100-SXM4-40GB', 'A100 80GB'],
    ['NVIDIA A100 80GB PCIe', 'A100 SXM4'],
    ['NVIDIA GeForce RTX 4090 Laptop GPU', 'RTX 4090'],
    ['NVIDIA GeForce RTX 4070 Ti', 'RTX 4070 Ti SUPER'],
    ['Quadro RTX 6000', 'RTX 6000 Ada'],
    ['NVIDIA RTX 6000 Ada Generation', 'RTX A6000'],
    ['NVIDIA H100 80GB HBM3 MIG 1g.10gb', 'H100'],
    ['NVIDIA A10-4Q', 'A10'],
    ['NVIDIA X9000 Tomorrow', 'X900'],
    ['NVIDIA X9000 Tomorrow', 'H100'],
  ])('%s is not what a person calls %s', (seen, wanted) => expect(isGpu(seen, wanted)).toBe(false));
});
