import { attemptKey } from '../../domain/ids.js';
import type { CloudInstance } from '../../domain/provider.js';
import { type Check, mustAllBe, mustBe, NotConforming } from '../check.js';
import { endAndWait } from '../ending.js';
import type { Scene } from '../scene.js';
import { settle, until } from '../waiting.js';

/** Clocks differ; by more than this one of them is wrong. */
const CLOCK_MS = 60_000;

export const CREATION: readonly Check[] = [
  {
    id: 'create.accepted',
    title: 'a create is answered within a minute with a new machine that exists',
    run: async (scene) => {
      const { instance, adopted, askedAt, answeredAt } = await scene.machine();
      const createdAt = Date.parse(instance.createdAt);
      mustAllBe(
        [!adopted, 'it is called adopted, and its refId is new'],
        [instance.cloudId !== '', 'it has no cloudId'],
        [answeredAt - askedAt <= scene.timing.createMs, `the answer took ${answeredAt - askedAt} ms`],
        [['pending', 'running'].includes(instance.status), `its status is ${instance.status}`],
        [
          createdAt >= askedAt - CLOCK_MS && createdAt <= answeredAt + CLOCK_MS,
          `createdAt is ${instance.createdAt}, and it was asked for at ${new Date(askedAt).toISOString()}`,
        ],
      );
      return `${instance.cloudId} after ${answeredAt - askedAt} ms`;
    },
  },
  {
    id: 'create.echo',
    title: 'the answer carries what was asked for: identity, place, type, tags, and where SSH will be',
    run: async (scene) => {
      const { asked, instance } = await scene.machine();
      const { refId, cloudCredRefId, attemptKey: key, location, subLocation, instanceType } = asked;
      const same = (name: string, seen: unknown, wanted: unknown): [boolean, string] => [
        JSON.stringify(seen) === JSON.stringify(wanted),
        `${name} is ${JSON.stringify(seen)}, and was asked for as ${JSON.stringify(wanted)}`,
      ];
      mustAllBe(
        same('refId', instance.refId, refId),
        same('cloudCredRefId', instance.cloudCredRefId, cloudCredRefId),
        same('attemptKey', instance.attemptKey, key),
        same('location', instance.location, location),
        same('subLocation', instance.subLocation, subLocation),
        same('instanceType', instance.instanceType, instanceType),
        same('tags', sorted(instance.tags), sorted(asked.tags)),
        [instance.sshUser !== '', 'sshUser is empty'],
        [instance.sshPort > 0 && instance.sshPort <= 65_535, `sshPort is ${instance.sshPort}`],
      );
      const name = instance.name === asked.name ? '' : `; its name became ${JSON.stringify(instance.name)}`;
      return `all of it; SSH as ${instance.sshUser} on ${instance.sshPort}${name}`;
    },
  },
  {
    id: 'create.type-id',
    title: 'the machine carries the id that the type list gave its type',
    run: async (scene) => {
      const [{ instance }, { id }] = [await scene.machine(), await scene.offer()];
      const { cloudId, location } = instance;
      const got = await scene.provider.getInstance(cloudId, location, scene.signal);
      mustAllBe(
        [instance.instanceTypeId === id, `the create says ${instance.instanceTypeId}, the list ${id}`],
        [got.instanceTypeId === id, `get says ${got.instanceTypeId}, the list ${id}`],
      );
      return id;
    },
  },
  {
    id: 'create.repeat',
    title: 'a create of a refId that lives returns that machine, from a client that knows nothing, and makes no other',
    run: async (scene) => {
      const { asked, instance, answeredAt } = await scene.machine();
      await settle(scene.provider, answeredAt, scene.signal);
      const again = { ...asked, attemptKey: attemptKey(asked.refId, 2) };
      const outcome = await scene.createPersistently(scene.another(), again);
      if (outcome.outcome !== 'exists') throw new NotConforming(`it is ${outcome.outcome}: ${outcome.failure.message}`);
      mustAllBe(
        [outcome.adopted, 'it is not called adopted'],
        [
          outcome.instance.cloudId === instance.cloudId,
          `there is ${instance.cloudId}, and ${outcome.instance.cloudId} was returned`,
        ],
      );
      await mustBeOne(scene, asked.refId);
      return `${instance.cloudId}, adopted`;
    },
  },
  {
    id: 'create.lost-answer',
    title: 'a create whose answer is lost is unknown; the next one adopts what it made, and there is one machine',
    run: async (scene) => {
      let lost = 0;
      const lossy = scene.another({
        onCreateAnswered: () => {
          lost += 1;
          throw brokenConnection();
        },
      });
      const asked = await scene.attrs(scene.refIds.next());
      const askedAt = Date.now();
      const outcome = await scene.createPersistentlyUntil(lossy, asked, () => lost > 0);
      mustBe(lost > 0, 'the adapter never called AdapterDeps.onCreateAnswered: its answers cannot be lost');
      mustBe(lost === 1, `the create was sent ${lost} times: a client below the adapter repeats what it must not`);
      mustBe(outcome.outcome === 'unknown', `the outcome is ${outcome.outcome}, and nobody can know`);
      await settle(scene.provider, askedAt, scene.signal);
      const again = await scene.createPersistently(scene.another(), asked);
      if (again.outcome !== 'exists')
        throw new NotConforming(`the next create is ${again.outcome}: ${again.failure.message}`);
      const machine = await mustBeOne(scene, asked.refId);
      mustBe(again.adopted, `the next create made ${again.instance.cloudId} instead of adopting one`);
      await endAndWait(scene.provider, machine, { signal: scene.signal, withinMs: scene.timing.goneMs });
      return `unknown, then ${again.instance.cloudId} adopted, and ended`;
    },
  },
];

/** What Node’s fetch throws for it; the adapter must make nothing else of it than of the real thing. */
function brokenConnection(): Error {
  const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' });
  return Object.assign(new TypeError('fetch failed', { cause }), { code: 'ECONNRESET' });
}

/** Exactly one machine of this refId, once listings may be believed. */
async function mustBeOne(scene: Scene, refId: string): Promise<CloudInstance> {
  const { provider, signal } = scene;
  await settle(provider, Date.now(), signal);
  const [machine] = await until(
    `a machine of ${refId} in the listing`,
    provider.limits.pollIntervalMs,
    { signal, withinMs: provider.limits.listingLagMs + 30_000 },
    async () => {
      const found = (await provider.listInstances(signal)).filter((one) => one.refId === refId && isLive(one));
      mustBe(found.length < 2, `there are ${found.length}: ${found.map(({ cloudId }) => cloudId).join(', ')}`);
      return found.length === 1 ? found : undefined;
    },
  );
  if (!machine) throw new NotConforming('none');
  return machine;
}

function isLive({ status }: CloudInstance): boolean {
  return status !== 'terminating' && status !== 'terminated';
}

function sorted(tags: Record<string, string>): [string, string][] {
  return Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1));
}
