import type { Tag } from '@aws-sdk/client-ec2';
import type { CloudCredRefId, IsoTime, RefId } from '../../domain/ids.js';
import { IDENTITY_TAGS } from '../../domain/provider.js';

/** Ours besides the identity. */
export const OUR_TAGS = {
  /** EC2's launch time is that of the last start. */
  createdAt: 'slipway-created-at',
  /** The machine's name, where the caller has a tag `Name` of their own. */
  name: 'slipway-name',
} as const;

const NAME = 'Name';
const TAG_OF = Object.entries({ ...IDENTITY_TAGS, createdAt: OUR_TAGS.createdAt }) as [keyof Ours, string][];

export interface Ours {
  refId?: RefId;
  cloudCredRefId?: CloudCredRefId;
  attemptKey?: string;
  createdAt?: IsoTime;
}

/** The caller's tags with ours over them. The name becomes `Name`, which the console shows, unless the caller has one. */
export function toTagList(tags: Record<string, string>, ours: Ours, name?: string): Tag[] {
  const all = new Map(Object.entries(tags));
  if (name !== undefined) all.set(all.has(NAME) ? OUR_TAGS.name : NAME, name);
  for (const [field, tag] of TAG_OF) {
    const value = ours[field];
    if (value === undefined) all.delete(tag);
    else all.set(tag, value);
  }
  return [...all].map(([Key, Value]) => ({ Key, Value }));
}

/** `aws:` tags are Amazon's: nobody else can set or remove them. */
export function readTags(list: readonly Tag[] = []): { ours: Ours; name: string; tags: Record<string, string> } {
  const all = new Map(
    list.flatMap(({ Key, Value }) => (Key === undefined || Key.startsWith('aws:') ? [] : [[Key, Value ?? '']])),
  );
  const ours: Ours = {};
  for (const [field, tag] of TAG_OF) {
    const value = all.get(tag);
    if (value) ours[field] = value;
    all.delete(tag);
  }
  const own = all.get(OUR_TAGS.name);
  const name = own ?? all.get(NAME) ?? '';
  all.delete(own === undefined ? NAME : OUR_TAGS.name);
  return { ours, name, tags: Object.fromEntries(all) };
}

/** What to set and what to remove, so that `wanted` and nothing else is there. */
export function tagDifference(current: readonly Tag[] = [], wanted: readonly Tag[]): { put: Tag[]; remove: string[] } {
  const present = new Map(current.flatMap(({ Key, Value }) => (Key === undefined ? [] : [[Key, Value] as const])));
  const keep = new Set(wanted.map(({ Key }) => Key));
  return {
    put: wanted.filter(({ Key = '', Value }) => present.get(Key) !== Value),
    remove: [...present.keys()].filter((key) => !key.startsWith('aws:') && !keep.has(key)),
  };
}
