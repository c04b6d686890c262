import type { Catalog, GpuSpec } from './catalog.js';
import type { Price, Size } from './types.js';

const usd = (amount: string): Price => ({ amount, currency: 'USD' });
const gib = (value: number): Size => ({ value, unit: 'GiB' });
const gpu = (name: string, count: number, memory: number, interconnect?: string): GpuSpec => ({
  name,
  manufacturer: 'NVIDIA',
  count,
  memory: gib(memory),
  ...(interconnect ? { interconnect } : {}),
});

const EVERYWHERE = ['us-west-1', 'us-east-1', 'eu-north-1'];
const X86 = { architecture: 'x86_64', stoppable: true, rebootable: true, locations: EVERYWHERE } as const;

/** Shapes and prices as GPU clouds had them in 2026; three locations, one of them without a sub-location. */
export const DEFAULT_CATALOG: Catalog = {
  locations: [
    { name: 'us-west-1', subLocation: 'us-west-1a', description: 'California, USA', country: 'USA', available: true },
    { name: 'us-east-1', subLocation: 'us-east-1b', description: 'Virginia, USA', country: 'USA', available: true },
    { name: 'eu-north-1', description: 'Keflavik, Iceland', country: 'ISL', available: true },
  ],
  images: [
    {
      id: 'ubuntu-22.04-cuda',
      name: 'Ubuntu 22.04 LTS, CUDA 12',
      description: 'Ubuntu 22.04 with the NVIDIA driver and CUDA',
      architecture: 'x86_64',
      createdAt: '2026-03-02T00:00:00.000Z',
    },
    {
      id: 'ubuntu-24.04-cuda',
      name: 'Ubuntu 24.04 LTS, CUDA 12',
      description: 'Ubuntu 24.04 with the NVIDIA driver and CUDA',
      architecture: 'x86_64',
      createdAt: '2026-06-15T00:00:00.000Z',
    },
    {
      id: 'ubuntu-22.04-arm64',
      name: 'Ubuntu 22.04 LTS for Grace',
      description: 'Ubuntu 22.04 for arm64 with the NVIDIA driver and CUDA',
      architecture: 'arm64',
      createdAt: '2026-03-02T00:00:00.000Z',
    },
  ],
  instanceTypes: [
    {
      ...X86,
      name: 'gpu_1x_a10',
      description: '1x A10 (24 GB PCIe)',
      gpu: gpu('A10', 1, 24, 'PCIe'),
      vcpu: 30,
      memory: gib(200),
      pricePerHour: usd('0.75'),
    },
    {
      ...X86,
      name: 'gpu_1x_a100_sxm4',
      description: '1x A100 (40 GB SXM4)',
      gpu: gpu('A100', 1, 40, 'SXM4'),
      vcpu: 30,
      memory: gib(200),
      pricePerHour: usd('1.29'),
    },
    {
      ...X86,
      name: 'gpu_8x_a100_80gb_sxm4',
      description: '8x A100 (80 GB SXM4)',
      gpu: gpu('A100', 8, 80, 'SXM4'),
      vcpu: 240,
      memory: gib(1800),
      pricePerHour: usd('14.32'),
    },
    {
      ...X86,
      name: 'gpu_1x_h100_pcie',
      description: '1x H100 (80 GB PCIe)',
      gpu: gpu('H100', 1, 80, 'PCIe'),
      vcpu: 26,
      memory: gib(200),
      pricePerHour: usd('2.49'),
    },
    {
      ...X86,
      name: 'gpu_8x_h100_sxm5',
      description: '8x H100 (80 GB SXM5)',
      gpu: gpu('H100', 8, 80, 'SXM5'),
      vcpu: 208,
      memory: gib(1800),
      pricePerHour: usd('23.92'),
      stoppable: false,
    },
    {
      ...X86,
      name: 'gpu_8x_b200_sxm6',
      description: '8x B200 (180 GB SXM6)',
      gpu: gpu('B200', 8, 180, 'SXM6'),
      vcpu: 208,
      memory: gib(2900),
      pricePerHour: usd('39.92'),
      stoppable: false,
    },
    {
      ...X86,
      name: 'gpu_1x_gh200',
      description: '1x GH200 (96 GB)',
      gpu: gpu('GH200', 1, 96),
      vcpu: 64,
      memory: gib(432),
      architecture: 'arm64',
      pricePerHour: usd('1.49'),
    },
    {
      ...X86,
      name: 'cpu_4x_general',
      description: '4 vCPU, no GPU',
      vcpu: 4,
      memory: gib(16),
      pricePerHour: usd('0.10'),
    },
  ],
};
