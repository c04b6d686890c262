import { CloudError, invalid } from './errors.js';
import type { Price, Size } from './types.js';

export interface LocationSpec {
  name: string;
  subLocation?: string;
  description: string;
  /** ISO 3166-1 alpha-3. */
  country: string;
  available: boolean;
}

export interface ImageSpec {
  id: string;
  name: string;
  description: string;
  architecture: 'x86_64' | 'arm64';
  /** ISO 8601. */
  createdAt: string;
}

export interface GpuSpec {
  name: string;
  manufacturer: string;
  count: number;
  /** Of one GPU. */
  memory: Size;
  interconnect?: string;
}

export interface InstanceTypeSpec {
  name: string;
  description: string;
  gpu?: GpuSpec;
  vcpu: number;
  memory: Size;
  architecture: 'x86_64' | 'arm64';
  pricePerHour: Price;
  stoppable: boolean;
  rebootable: boolean;
  /** Where it is sold. */
  locations: string[];
  /** How many are free at each location at the start; without it, as many as anyone wants. */
  stock?: number;
}

export interface Catalog {
  locations: LocationSpec[];
  images: ImageSpec[];
  instanceTypes: InstanceTypeSpec[];
}

/** @throws {CloudError} `request.invalid` */
export function locationNamed(catalog: Catalog, name: string): LocationSpec {
  return catalog.locations.find((one) => one.name === name) ?? invalid('location', `there is no location ${name}`);
}

/** @throws {CloudError} `request.invalid` when there is no such type, or not there. */
export function typeSoldAt(catalog: Catalog, location: string, name: string): InstanceTypeSpec {
  const type = catalog.instanceTypes.find((one) => one.name === name);
  if (!type) invalid('instanceType', `there is no type ${name}`);
  if (!type.locations.includes(location)) invalid('instanceType', `${name} is not sold at ${location}`);
  return type;
}

/** Of a machine that exists. @throws {Error} when the catalog has changed under it. */
export function typeNamed(catalog: Catalog, name: string): InstanceTypeSpec {
  const type = catalog.instanceTypes.find((one) => one.name === name);
  if (!type) throw new Error(`there is a machine of type ${name}, which is in no catalog`);
  return type;
}

/** The image asked for, else the first that fits. @throws {CloudError} `image.not_found`, also for one that does not fit. */
export function imageFor(catalog: Catalog, { architecture }: InstanceTypeSpec, imageId: string | undefined): ImageSpec {
  const fitting = catalog.images.filter((image) => image.architecture === architecture);
  const image = imageId === undefined ? fitting[0] : fitting.find(({ id }) => id === imageId);
  if (!image) throw new CloudError('image.not_found', `there is no image ${imageId ?? ''} for ${architecture}`);
  return image;
}
