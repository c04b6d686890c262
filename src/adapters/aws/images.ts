import { ProviderError } from '../../domain/errors.js';
import type { CreateInstanceAttrs, InstanceType } from '../../domain/provider.js';
import type { Ec2Client, Ec2Image } from './client.js';
import { toArchitecture } from './mapping.js';

/** Which images a create without one chooses from: the newest of this owner whose name matches. */
export interface DefaultImage {
  /** An account's id, or `amazon`. */
  owner: string;
  /** With `*` for anything. */
  name: string;
}

/**
 * AWS's own Ubuntu with the NVIDIA driver, CUDA and Docker; its user is `ubuntu`. The name is the same for both
 * architectures but for a word.
 */
export const DEFAULT_IMAGE: DefaultImage = {
  owner: 'amazon',
  name: 'Deep Learning*Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04)*',
};

/** A newer image within the hour does not matter, and a repeated create should name the same. */
const REMEMBER_MS = 3_600_000;

/** Finds the image of a create, and what of it a create must know: its disks. */
export class Images {
  readonly #client: Ec2Client;
  readonly #byDefault: DefaultImage;
  readonly #architectures = new Map<string, InstanceType['architecture']>();
  readonly #newest = new Map<string, { image: Ec2Image; at: number }>();

  constructor(client: Ec2Client, byDefault: DefaultImage) {
    this.#client = client;
    this.#byDefault = byDefault;
  }

  /** @throws {ProviderError} ImageNotFound. @throws {HttpFailure} for an image or a type that EC2 does not know. */
  async imageFor(attrs: CreateInstanceAttrs, signal: AbortSignal): Promise<Ec2Image> {
    const { imageId, location: region } = attrs;
    if (imageId === undefined) return await this.#default(attrs, signal);
    const images = await this.#client.findImages(region, { ids: [imageId] }, signal);
    return images.find(({ ImageId }) => ImageId === imageId) ?? none(`there is no image ${imageId} at ${region}`);
  }

  async #default({ location: region, instanceType }: CreateInstanceAttrs, signal: AbortSignal): Promise<Ec2Image> {
    const architecture = await this.#architectureOf(region, instanceType, signal);
    const key = `${region} ${architecture}`;
    const known = this.#newest.get(key);
    if (known && known.at + REMEMBER_MS > Date.now()) return known.image;
    const { owner, name } = this.#byDefault;
    const filters = [
      { Name: 'name', Values: [name] },
      { Name: 'architecture', Values: [architecture] },
      { Name: 'state', Values: ['available'] },
    ];
    const images = await this.#client.findImages(region, { owner, filters }, signal);
    const [image] = images.sort((a, b) => Date.parse(b.CreationDate ?? '') - Date.parse(a.CreationDate ?? ''));
    if (!image) return none(`${owner} has no image ${JSON.stringify(name)} for ${architecture} at ${region}`);
    this.#newest.set(key, { image, at: Date.now() });
    return image;
  }

  async #architectureOf(region: string, type: string, signal: AbortSignal): Promise<InstanceType['architecture']> {
    const known = this.#architectures.get(type);
    if (known) return known;
    const architecture = toArchitecture(await this.#client.describeType(region, type, signal));
    this.#architectures.set(type, architecture);
    return architecture;
  }
}

function none(what: string): never {
  throw new ProviderError({ kind: 'ImageNotFound', operation: 'createInstance', message: `aws: ${what}` });
}
