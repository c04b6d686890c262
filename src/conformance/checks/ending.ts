import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudInstance } from '../../domain/provider.js';
import { type Check, mustBe } from '../check.js';
import { untilGone } from '../ending.js';
import { base64FormsOf, formsOf } from '../planted.js';
import type { Scene } from '../scene.js';
import { authorisingScript } from '../user-data.js';
import { look, until } from '../waiting.js';

export const ENDING: readonly Check[] = [
  {
    id: 'terminate.accepted',
    title: 'terminate is accepted, and again while the machine goes',
    run: async (scene) => {
      const { instance } = await scene.machine();
      scene.powerChanges();
      await terminate(scene, instance);
      await terminate(scene, instance);
      return 'twice';
    },
  },
  {
    id: 'terminate.gone',
    title: 'the machine is gone within 20 minutes, by the word of get and of a complete listing',
    run: async (scene) => await gone(scene),
  },
  {
    id: 'terminate.twice',
    title: 'terminate of a machine that is gone is done, and it stays gone',
    run: async (scene) => {
      await gone(scene);
      const { instance } = await scene.machine();
      const { provider, signal } = scene;
      await terminate(scene, instance);
      for (let turn = 0; turn < 2; turn += 1) {
        await sleep(Math.min(provider.limits.pollIntervalMs, 5_000), undefined, { signal });
        const now = await look(provider, instance, signal);
        mustBe(now === undefined || now.status === 'terminated', `it was gone, and is ${now?.status}`);
      }
      return 'done; two looks later it is still gone';
    },
  },
  {
    id: 'end.nothing-left',
    title: 'nothing of this run is left in the account: no machine, no key, no disk',
    run: async (scene) => {
      await gone(scene);
      const { provider, signal, refIds } = scene;
      const machines = (await provider.listInstances(signal)).filter(
        (one) => refIds.isOfThisRun(one) && one.status !== 'terminated' && one.status !== 'terminating',
      );
      mustBe(machines.length === 0, `machines: ${machines.map(({ cloudId }) => cloudId).join(', ')}`);
      if (!provider.listSideResources) return 'no machine; the adapter says that a create makes nothing else';
      let left = '';
      return await until(
        'keys, disks and the like gone',
        provider.limits.pollIntervalMs,
        { signal, withinMs: scene.timing.sideResourcesMs },
        async () => {
          await provider.listInstances(signal); // what is tidied up is tidied up after listings
          const all = (await provider.listSideResources?.(signal)) ?? [];
          left = all
            .filter((one) => refIds.isOfThisRun(one))
            .map(({ kind, name }) => `${kind} ${name}`)
            .join(', ');
          return left === ''
            ? `no machine, and nothing of this run among ${all.length} other things of ours`
            : undefined;
        },
        () => left,
      );
    },
  },
  {
    id: 'limits.kept',
    title: 'at the pace that the adapter declares the provider never says RateLimited',
    run: async ({ recorder, provider }) => {
      const refusals = recorder.count('RateLimited');
      const {
        requestsPerSecond = 'any number of',
        createsPerMinute = 'any number of',
        pollIntervalMs,
      } = provider.limits;
      mustBe(refusals === 0, `RateLimited ${refusals} times: lower the limits, or see who else uses the account`);
      return `${requestsPerSecond} requests a second, ${createsPerMinute} creates a minute; polled every ${pollIntervalMs} ms`;
    },
  },
  {
    id: 'secrets.hidden',
    title: 'no error and no outcome of this run shows a secret, a private key or user data, however it is printed',
    run: async ({ account, recorder, keys }) => {
      const planted = [
        ...[...account.secrets, ...Object.values(keys).map(({ privateKey }) => privateKey)].flatMap(formsOf),
        keys.script.publicKey,
        ...base64FormsOf(authorisingScript(keys.script.publicKey)),
      ];
      const found = recorder.printed.filter((text) => planted.some((secret) => text.includes(secret)));
      mustBe(found.length === 0, `${found.length} of ${recorder.printed.length} errors and outcomes show one`);
      return `${recorder.printed.length} errors and outcomes`;
    },
  },
];

async function terminate({ provider, signal }: Scene, { cloudId, location }: CloudInstance): Promise<void> {
  await provider.terminateInstance(cloudId, location, signal);
}

/** Ended, by whoever came first. */
async function gone(scene: Scene): Promise<string> {
  return await scene.ended(async () => {
    const { instance } = await scene.machine();
    scene.powerChanges();
    await terminate(scene, instance);
    return await untilGone(scene.provider, instance, { signal: scene.signal, withinMs: scene.timing.goneMs });
  });
}
