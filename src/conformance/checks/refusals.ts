import { type ErrorKind, ProviderError } from '../../domain/errors.js';
import type { CreateInstanceAttrs, Provider } from '../../domain/provider.js';
import { type Check, mustBe, NotApplicable, NotConforming } from '../check.js';
import { isNoDearer } from '../offer.js';
import type { Scene } from '../scene.js';
import { settle } from '../waiting.js';

/** What is refused, and that nothing is made of it. Nothing here costs anything, unless it is broken. */
export const REFUSALS: readonly Check[] = [
  {
    id: 'auth.refused',
    title: 'a wrong secret is Unauthenticated: for a listing, and for a create, which is refused',
    run: async (scene) => {
      const stranger = scene.account.openStranger?.();
      if (!stranger) throw new NotApplicable('the credential has no secret');
      const { signal } = scene;
      await mustThrow(() => stranger.listInstances(signal), ['Unauthenticated'], 'a listing with a wrong secret');
      await mustRefuse(scene, stranger, await scene.attrs(scene.refIds.next()), ['Unauthenticated']);
      return 'Unauthenticated, twice';
    },
  },
  {
    id: 'create.cancelled',
    title: 'a create that was cancelled before it was sent is refused, and makes nothing',
    run: async (scene) => {
      const asked = await scene.attrs(scene.refIds.next());
      const outcome = await scene.provider.createInstance(asked, AbortSignal.abort());
      mustBe(outcome.outcome === 'refused', `the outcome is ${outcome.outcome}`);
      await mustNotExist(scene, asked);
      return 'refused';
    },
  },
  {
    id: 'create.bad-type',
    title:
      'a create of a type that is not sold is refused as InvalidRequest or InsufficientResources, and makes nothing',
    run: async (scene) => {
      const { instanceType } = await scene.offer();
      const asked = await scene.attrs(scene.refIds.next(), { instanceType: `${instanceType}-none` });
      return await mustRefuse(scene, scene.provider, asked, ['InvalidRequest', 'InsufficientResources']);
    },
  },
  {
    id: 'create.bad-image',
    title: 'a create with an unknown image is refused as ImageNotFound or InvalidRequest, and makes nothing',
    can: 'machine-image',
    run: async (scene) => {
      const asked = await scene.attrs(scene.refIds.next(), { imageId: 'slipway-no-such-image' });
      return await mustRefuse(scene, scene.provider, asked, ['ImageNotFound', 'InvalidRequest']);
    },
  },
  {
    id: 'create.no-stock',
    title: 'a create of what is sold out is refused as InsufficientResources, and makes nothing',
    run: async (scene) => {
      const soldOut = (await scene.types()).filter(({ isAvailable }) => !isAvailable);
      if (soldOut.length === 0) throw new NotApplicable('everything is in stock: nothing to be refused');
      // It may be back in stock by now, and then it is rented: never for more than was agreed to.
      const offer = await scene.offer();
      const affordable = soldOut.find((one) => isNoDearer(one, offer));
      if (!affordable) throw new NotApplicable(`all that is sold out may cost more than ${offer.id}`);
      const { id, location, subLocation, instanceType } = affordable;
      const asked = { ...(await scene.attrs(scene.refIds.next())), location, subLocation, instanceType };
      const outcome = await scene.provider.createInstance(asked, scene.signal);
      if (outcome.outcome === 'exists') {
        await scene.provider.terminateInstance(outcome.instance.cloudId, location, scene.signal);
        throw new NotApplicable(`${id} came into stock again: it was made, and ended`);
      }
      return await judgeRefusal(scene, asked, outcome, ['InsufficientResources']);
    },
  },
];

async function mustRefuse(scene: Scene, provider: Provider, asked: CreateInstanceAttrs, kinds: readonly ErrorKind[]) {
  return await judgeRefusal(scene, asked, await provider.createInstance(asked, scene.signal), kinds);
}

async function judgeRefusal(
  scene: Scene,
  asked: CreateInstanceAttrs,
  outcome: Awaited<ReturnType<Provider['createInstance']>>,
  kinds: readonly ErrorKind[],
): Promise<string> {
  if (outcome.outcome === 'exists') throw new NotConforming(`it was made: ${outcome.instance.cloudId}`);
  const { kind, message } = outcome.failure;
  mustBe(outcome.outcome === 'refused', `the outcome is unknown (${kind}): nobody knows whether there is a machine`);
  mustBe(kinds.includes(kind), `it is ${kind}, and should be ${kinds.join(' or ')}: ${message}`);
  await mustNotExist(scene, asked);
  return kind;
}

async function mustNotExist(scene: Scene, { refId }: CreateInstanceAttrs): Promise<void> {
  await settle(scene.provider, Date.now(), scene.signal);
  const made = (await scene.provider.listInstances(scene.signal)).filter((one) => one.refId === refId);
  mustBe(made.length === 0, `it was refused, and yet there is ${made.map(({ cloudId }) => cloudId).join(', ')}`);
}

/** @throws {NotConforming} when it succeeds, or ends with another kind. */
export async function mustThrow(
  call: () => Promise<unknown>,
  kinds: readonly ErrorKind[],
  what: string,
): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    mustBe(
      kinds.includes(error.kind),
      `${what} is ${error.kind}, and should be ${kinds.join(' or ')}: ${error.message}`,
    );
    return;
  }
  throw new NotConforming(`${what} succeeds, and should be ${kinds.join(' or ')}`);
}
