import type {
  Filter,
  Image,
  Instance,
  InstanceTypeInfo,
  IpPermission,
  RunInstancesRequest,
  SecurityGroup,
  Tag,
} from '@aws-sdk/client-ec2';
import type { HttpReply } from '../http.js';
import { HttpFailure } from '../http-failure.js';
import type { Priority } from '../rate-limiter.js';
import type { Ec2Exchange } from './exchange.js';

/** Of an SDK type, whose fields are all optional, those without which an answer cannot be used. */
type With<T, Key extends keyof T> = T & { [K in Key]-?: NonNullable<T[K]> };
export type Ec2Instance = With<Instance, 'InstanceId' | 'State'>;
export type Ec2Image = With<Image, 'ImageId'>;
export type Ec2Group = With<SecurityGroup, 'GroupId' | 'GroupName'>;
export type Ec2Type = With<InstanceTypeInfo, 'InstanceType'>;
export type Direction = 'ingress' | 'egress';

export interface Page<T> {
  items: T[];
  nextPageToken?: string;
}

/** Where one machine is. */
export interface At {
  region: string;
  id: string;
}

/** As many as EC2 allows. Without it a listing comes in one piece, and times out when that piece is large. */
const PAGE = 1_000;
const TYPES_PAGE = 100;

/** EC2's actions, one function each. @throws {HttpFailure} */
export class Ec2Client {
  readonly #exchange: Ec2Exchange;

  constructor(exchange: Ec2Exchange) {
    this.#exchange = exchange;
  }

  async listInstances(
    { region, filters, pageToken }: { region: string; filters: Filter[]; pageToken?: string },
    priority: Priority,
    signal: AbortSignal,
  ): Promise<Page<Ec2Instance>> {
    const action = 'DescribeInstances';
    const { value } = await this.#exchange.run(
      {
        action,
        region,
        priority,
        send: (sdk, client, options) => {
          const input = { Filters: filters, MaxResults: PAGE, NextToken: pageToken };
          return client.send(new sdk.DescribeInstancesCommand(input), options);
        },
      },
      signal,
    );
    const items = (value.Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
    return { items: items.map((item) => whole(action, item, 'InstanceId', 'State')), nextPageToken: value.NextToken };
  }

  async getInstance({ region, id }: At, priority: Priority, signal: AbortSignal): Promise<Ec2Instance> {
    const action = 'DescribeInstances';
    const { value } = await this.#exchange.run(
      {
        action,
        region,
        priority,
        send: (sdk, client, options) => client.send(new sdk.DescribeInstancesCommand({ InstanceIds: [id] }), options),
      },
      signal,
    );
    const found = (value.Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
    // EC2 refuses an id it does not know; an answer without the machine is no proof of its absence.
    return whole(action, found.find(({ InstanceId }) => InstanceId === id) ?? {}, 'InstanceId', 'State');
  }

  async runInstance(
    region: string,
    input: RunInstancesRequest,
    conceal: readonly (string | undefined)[],
    signal: AbortSignal,
  ): Promise<HttpReply<Ec2Instance>> {
    const action = 'RunInstances';
    const { value, requestId } = await this.#exchange.run(
      {
        action,
        region,
        priority: 'provision',
        isCreate: true,
        conceal,
        send: (sdk, client, options) => client.send(new sdk.RunInstancesCommand(input), options),
      },
      signal,
    );
    const instance = whole(action, value.Instances?.[0] ?? {}, 'InstanceId', 'State');
    return { value: instance, ...(requestId && { requestId }) };
  }

  async terminate({ region, id }: At, signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'TerminateInstances',
        region,
        priority: 'end',
        send: (sdk, client, options) => client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [id] }), options),
      },
      signal,
    );
  }

  async stop({ region, id }: At, signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'StopInstances',
        region,
        priority: 'provision',
        send: (sdk, client, options) => client.send(new sdk.StopInstancesCommand({ InstanceIds: [id] }), options),
      },
      signal,
    );
  }

  async start({ region, id }: At, signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'StartInstances',
        region,
        priority: 'provision',
        send: (sdk, client, options) => client.send(new sdk.StartInstancesCommand({ InstanceIds: [id] }), options),
      },
      signal,
    );
  }

  async reboot({ region, id }: At, signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'RebootInstances',
        region,
        priority: 'provision',
        send: (sdk, client, options) => client.send(new sdk.RebootInstancesCommand({ InstanceIds: [id] }), options),
      },
      signal,
    );
  }

  async setType({ region, id }: At, type: string, signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'ModifyInstanceAttribute',
        region,
        priority: 'provision',
        send: (sdk, client, options) => {
          const input = { InstanceId: id, InstanceType: { Value: type } };
          return client.send(new sdk.ModifyInstanceAttributeCommand(input), options);
        },
      },
      signal,
    );
  }

  async resizeVolume(region: string, volumeId: string, gib: number, signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'ModifyVolume',
        region,
        priority: 'provision',
        send: (sdk, client, options) =>
          client.send(new sdk.ModifyVolumeCommand({ VolumeId: volumeId, Size: gib }), options),
      },
      signal,
    );
  }

  async putTags({ region, id }: At, tags: Tag[], signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'CreateTags',
        region,
        priority: 'provision',
        send: (sdk, client, options) =>
          client.send(new sdk.CreateTagsCommand({ Resources: [id], Tags: tags }), options),
      },
      signal,
    );
  }

  async deleteTags({ region, id }: At, keys: string[], signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'DeleteTags',
        region,
        priority: 'provision',
        send: (sdk, client, options) => {
          const input = { Resources: [id], Tags: keys.map((Key) => ({ Key })) };
          return client.send(new sdk.DeleteTagsCommand(input), options);
        },
      },
      signal,
    );
  }

  // Security groups.

  /** @returns its id. It allows nothing in and everything out. */
  async createGroup(
    { region, name, description, tags }: { region: string; name: string; description: string; tags: Tag[] },
    signal: AbortSignal,
  ): Promise<string> {
    const action = 'CreateSecurityGroup';
    const { value } = await this.#exchange.run(
      {
        action,
        region,
        priority: 'provision',
        send: (sdk, client, options) => {
          const TagSpecifications = [{ ResourceType: 'security-group' as const, Tags: tags }];
          const input = { GroupName: name, Description: description, TagSpecifications };
          return client.send(new sdk.CreateSecurityGroupCommand(input), options);
        },
      },
      signal,
    );
    return whole(action, value, 'GroupId').GroupId;
  }

  async listGroups(
    { region, filters, pageToken }: { region: string; filters: Filter[]; pageToken?: string },
    priority: Priority,
    signal: AbortSignal,
  ): Promise<Page<Ec2Group>> {
    const action = 'DescribeSecurityGroups';
    const { value } = await this.#exchange.run(
      {
        action,
        region,
        priority,
        send: (sdk, client, options) => {
          const input = { Filters: filters, MaxResults: PAGE, NextToken: pageToken };
          return client.send(new sdk.DescribeSecurityGroupsCommand(input), options);
        },
      },
      signal,
    );
    const items = (value.SecurityGroups ?? []).map((group) => whole(action, group, 'GroupId', 'GroupName'));
    return { items, nextPageToken: value.NextToken };
  }

  /** All of them or, after a refusal, none. */
  async allow({ region, id }: At, direction: Direction, permissions: IpPermission[], signal: AbortSignal) {
    const input = { GroupId: id, IpPermissions: permissions };
    await this.#exchange.run(
      direction === 'ingress'
        ? {
            action: 'AuthorizeSecurityGroupIngress',
            region,
            priority: 'provision',
            send: (sdk, client, options) => client.send(new sdk.AuthorizeSecurityGroupIngressCommand(input), options),
          }
        : {
            action: 'AuthorizeSecurityGroupEgress',
            region,
            priority: 'provision',
            send: (sdk, client, options) => client.send(new sdk.AuthorizeSecurityGroupEgressCommand(input), options),
          },
      signal,
    );
  }

  async revoke({ region, id }: At, direction: Direction, permissions: IpPermission[], signal: AbortSignal) {
    const input = { GroupId: id, IpPermissions: permissions };
    await this.#exchange.run(
      direction === 'ingress'
        ? {
            action: 'RevokeSecurityGroupIngress',
            region,
            priority: 'provision',
            send: (sdk, client, options) => client.send(new sdk.RevokeSecurityGroupIngressCommand(input), options),
          }
        : {
            action: 'RevokeSecurityGroupEgress',
            region,
            priority: 'provision',
            send: (sdk, client, options) => client.send(new sdk.RevokeSecurityGroupEgressCommand(input), options),
          },
      signal,
    );
  }

  async deleteGroup({ region, id }: At, signal: AbortSignal): Promise<void> {
    await this.#exchange.run(
      {
        action: 'DeleteSecurityGroup',
        region,
        priority: 'end',
        send: (sdk, client, options) => client.send(new sdk.DeleteSecurityGroupCommand({ GroupId: id }), options),
      },
      signal,
    );
  }

  // What there is to choose from.

  /** By id, or by owner and filters; an id that is not there is refused. */
  async findImages(
    region: string,
    by: { ids: string[] } | { owner: string; filters: Filter[] },
    signal: AbortSignal,
  ): Promise<Ec2Image[]> {
    const action = 'DescribeImages';
    const { value } = await this.#exchange.run(
      {
        action,
        region,
        priority: 'provision',
        send: (sdk, client, options) => {
          const input = 'ids' in by ? { ImageIds: by.ids } : { Owners: [by.owner], Filters: by.filters };
          return client.send(new sdk.DescribeImagesCommand(input), options);
        },
      },
      signal,
    );
    return (value.Images ?? []).map((image) => whole(action, image, 'ImageId'));
  }

  async describeType(region: string, type: string, signal: AbortSignal): Promise<Ec2Type> {
    const { items } = await this.#listTypes({ region, types: [type] }, 'provision', signal);
    const found: InstanceTypeInfo = items.find((item) => item.InstanceType === type) ?? {};
    return whole('DescribeInstanceTypes', found, 'InstanceType');
  }

  listTypes(region: string, pageToken: string | undefined, signal: AbortSignal): Promise<Page<Ec2Type>> {
    return this.#listTypes({ region, pageToken }, 'catalog', signal);
  }

  async #listTypes(
    { region, types, pageToken }: { region: string; types?: string[]; pageToken?: string },
    priority: Priority,
    signal: AbortSignal,
  ): Promise<Page<Ec2Type>> {
    const action = 'DescribeInstanceTypes';
    const { value } = await this.#exchange.run(
      {
        action,
        region,
        priority,
        send: (sdk, client, options) => {
          const page = { MaxResults: TYPES_PAGE, NextToken: pageToken };
          // The SDK knows the names of its own year; a newer one is a string all the same.
          const input = types ? { InstanceTypes: types as Ec2Type['InstanceType'][] } : page;
          return client.send(new sdk.DescribeInstanceTypesCommand(input), options);
        },
      },
      signal,
    );
    const items = (value.InstanceTypes ?? []).map((type) => whole(action, type, 'InstanceType'));
    return { items, nextPageToken: value.NextToken };
  }

  /** Which type is sold in which zone. */
  async listOfferings(
    region: string,
    pageToken: string | undefined,
    signal: AbortSignal,
  ): Promise<Page<{ type: string; zone: string }>> {
    const action = 'DescribeInstanceTypeOfferings';
    const { value } = await this.#exchange.run(
      {
        action,
        region,
        priority: 'catalog',
        send: (sdk, client, options) => {
          const input = { LocationType: 'availability-zone' as const, MaxResults: PAGE, NextToken: pageToken };
          return client.send(new sdk.DescribeInstanceTypeOfferingsCommand(input), options);
        },
      },
      signal,
    );
    const items = (value.InstanceTypeOfferings ?? []).map((offering) => {
      const { InstanceType, Location } = whole(action, offering, 'InstanceType', 'Location');
      return { type: InstanceType, zone: Location };
    });
    return { items, nextPageToken: value.NextToken };
  }
}

function whole<T extends object, Key extends keyof T & string>(action: string, item: T, ...keys: Key[]): With<T, Key> {
  const missing = keys.filter((key) => item[key] === undefined);
  if (missing.length === 0) return item as With<T, Key>;
  const message = `${action} answered 200, unreadable at ${missing.join(', ')}`;
  throw new HttpFailure(message, { reason: 'unreadable', sent: 'maybe', status: 200 });
}
