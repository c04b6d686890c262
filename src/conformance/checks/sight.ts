import type { CloudInstance } from '../../domain/provider.js';
import { type Check, mustAllBe, mustBe, NotApplicable, someOf } from '../check.js';
import type { Scene } from '../scene.js';
import { look, until } from '../waiting.js';
import { mustThrow } from './refusals.js';

/** Fields that get and the listing must agree on; the rest may move between two calls. */
const AGREED = [
  'cloudId',
  'refId',
  'cloudCredRefId',
  'attemptKey',
  'name',
  'location',
  'subLocation',
  'instanceType',
  'instanceTypeId',
  'sshUser',
  'sshPort',
  'createdAt',
  'tags',
] as const satisfies readonly (keyof CloudInstance)[];

export const SIGHT: readonly Check[] = [
  {
    id: 'list.shows',
    title: 'the listing shows the machine within the declared listing lag',
    run: async (scene) => {
      const { answeredAt } = await scene.machine();
      await listed(scene);
      return `${Math.max(0, Date.now() - answeredAt)} ms after the create at the latest; declared: ${scene.provider.limits.listingLagMs}`;
    },
  },
  {
    id: 'list.ours',
    title: 'the listing shows machines with our identity only, each once',
    run: async (scene) => {
      await scene.machine();
      const all = await scene.provider.listInstances(scene.signal);
      const ids = all.map(({ cloudId }) => cloudId);
      const foreign = all.filter(
        ({ refId, cloudCredRefId }) => !refId || cloudCredRefId !== scene.account.cloudCredRefId,
      );
      mustAllBe(
        [foreign.length === 0, `without our identity: ${someOf(foreign.map(({ cloudId }) => cloudId))}`],
        [new Set(ids).size === ids.length, 'a machine comes twice'],
      );
      return `${all.length} machines of ${scene.account.cloudCredRefId}`;
    },
  },
  {
    id: 'get.agrees',
    title: 'get shows the machine as the listing does',
    run: async (scene) => {
      const inList = await listed(scene);
      const got = await scene.provider.getInstance(inList.cloudId, inList.location, scene.signal);
      const differ = AGREED.filter((field) => JSON.stringify(got[field]) !== JSON.stringify(inList[field]));
      mustBe(
        differ.length === 0,
        differ
          .map((field) => `${field}: get ${JSON.stringify(got[field])}, list ${JSON.stringify(inList[field])}`)
          .join('; '),
      );
      return `${AGREED.length} fields`;
    },
  },
  {
    id: 'get.unknown',
    title: 'get of an id that does not exist is InstanceNotFound',
    run: async (scene) => {
      const { cloudId, location } = await stranger(scene);
      const { provider, signal } = scene;
      await mustThrow(() => provider.getInstance(cloudId, location, signal), ['InstanceNotFound'], `get of ${cloudId}`);
      return 'InstanceNotFound';
    },
  },
  {
    id: 'terminate.unknown',
    title: 'terminate of an id that does not exist is done',
    run: async (scene) => {
      const { cloudId, location } = await stranger(scene);
      const { provider, signal } = scene;
      // Nothing is ended that anybody, also this adapter, has ever seen.
      const isThere = (await look(provider, { cloudId, location }, signal)) !== undefined;
      if (isThere) throw new NotApplicable(`get says that there is a ${cloudId}: nobody will end it to try`);
      await provider.terminateInstance(cloudId, location, signal);
      return 'done';
    },
  },
];

/** The machine as the listing shows it, once the lag has passed. */
async function listed(scene: Scene): Promise<CloudInstance> {
  const { instance, answeredAt } = await scene.machine();
  const { provider, signal } = scene;
  const { listingLagMs, pollIntervalMs } = provider.limits;
  // A listing that was asked for within the lag may be answered after it.
  const withinMs = Math.max(0, answeredAt + listingLagMs - Date.now()) + pollIntervalMs;
  return await until(`${instance.cloudId} in the listing`, pollIntervalMs, { signal, withinMs }, async () =>
    (await provider.listInstances(signal)).find(({ cloudId }) => cloudId === instance.cloudId),
  );
}

/** An id of the vendor's form that nobody has: the machine's own, with its last letters changed. */
async function stranger(scene: Scene): Promise<{ cloudId: string; location: string }> {
  const { instance } = await scene.machine();
  const places = [...instance.cloudId].flatMap((letter, index) => (/[0-9a-f]/.test(letter) ? [index] : [])).slice(-12);
  // A short number is somebody's machine.
  if (places.length < 8)
    throw new NotApplicable(`ids like ${instance.cloudId} are too short to make up one that is free`);
  const letters = [...instance.cloudId];
  for (const index of places) letters[index] = next(letters[index] ?? '');
  return { cloudId: letters.join(''), location: instance.location };
}

function next(letter: string): string {
  const set = /\d/.test(letter) ? '0123456789' : 'abcdef';
  return set[(set.indexOf(letter) + 3) % set.length] ?? letter;
}
