import { CloudError } from '../errors.js';
import { cutPage } from '../paging.js';
import { type Ask, filtersOf, pageSizeOf } from './aws-ask.js';
import { textAt, textsAt, type Xml } from './aws-query.js';
import { Ec2Refusal } from './aws-refusals.js';
import { imageName, imageXml, toAmiId, typeXml, zoneOf } from './aws-wire.js';

/** What EC2 sells, and the images there are. */

export function describeImages({ cloud, params }: Ask): { [name: string]: Xml } {
  const ids = textsAt(params, 'ImageId');
  const images = cloud.images();
  const unknown = ids.find((amiId) => !images.some(({ id }) => toAmiId(id) === amiId));
  if (unknown) throw new CloudError('image.not_found', `The image id '[${unknown}]' does not exist`);
  const filters = new Map(filtersOf(params));
  const owners = textsAt(params, 'Owner');
  const isNamed = (name: string): boolean =>
    filters.get('name')?.some((pattern) => toPattern(pattern).test(name)) ?? true;
  return {
    imagesSet: images
      .filter(({ id }) => ids.length === 0 || ids.includes(toAmiId(id)))
      .filter(() => owners.length === 0 || owners.includes('amazon'))
      .filter(({ architecture }) => filters.get('architecture')?.includes(architecture) ?? true)
      .filter((image) => isNamed(imageName(image)))
      .map(imageXml),
  };
}

function toPattern(text: string): RegExp {
  return new RegExp(
    `^${text
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
}

export function describeTypes(ask: Ask): { [name: string]: Xml } {
  const { cloud, params, region } = ask;
  const sold = cloud.offers({ location: region }).map(({ type }) => type);
  const names = textsAt(params, 'InstanceType');
  const unknown = names.filter((name) => !sold.some((type) => type.name === name));
  if (unknown.length > 0) {
    const why = `The following supplied instance types do not exist: [${unknown.join(', ')}]`;
    throw new Ec2Refusal('InvalidInstanceType', why);
  }
  if (names.length > 0) return { instanceTypeSet: sold.filter(({ name }) => names.includes(name)).map(typeXml) };
  const { items, nextPageToken } = cutPage(sold, textAt(params, 'NextToken'), pageSizeOf(ask, 5));
  return { instanceTypeSet: items.map(typeXml), nextToken: nextPageToken };
}

/** What is sold where; EC2 does not say what is in stock. */
export function describeOfferings(ask: Ask): { [name: string]: Xml } {
  const offers = ask.cloud.offers({ location: ask.region });
  const { items, nextPageToken } = cutPage(offers, textAt(ask.params, 'NextToken'), pageSizeOf(ask, 5));
  return {
    instanceTypeOfferingSet: items.map(({ type, location }) => ({
      instanceType: type.name,
      locationType: 'availability-zone',
      location: zoneOf({ location: location.name, subLocation: location.subLocation }),
    })),
    nextToken: nextPageToken,
  };
}
