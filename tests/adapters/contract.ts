import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { CredentialConfig } from '../../src/adapters/credential.js';
import { type ErrorKind, ProviderError } from '../../src/domain/errors.js';
import { attemptKey } from '../../src/domain/ids.js';
import {
  type Capability,
  type CloudInstance,
  type CreateInstanceAttrs,
  type CreateOutcome,
  type Provider,
  toInstanceTypeId,
} from '../../src/domain/provider.js';
import type { FaultKind, NewFault, Simcloud, SimcloudOptions } from '../../src/simcloud/index.js';
import {
  API_KEY,
  attrsFor,
  calm,
  closedUrl,
  cloudWith,
  foreignMachine,
  identityTags,
  openProvider,
  type Place,
  STEP_MS,
} from './clouds.js';
import { describeConformance } from './conformance.js';

/*
 * What the port promises, held against an adapter over HTTP. Every adapter passes the same suite, against simcloud
 * speaking its vendor's dialect: first conformance, as providers run it; then what takes a cloud that breaks on demand
 * and a ledger that says what really happened.
 */

export interface CredentialChange {
  apiKey?: string;
  apiUrl?: string;
  timeoutMs?: number;
  pollIntervalMs?: number;
  listingLagMs?: number;
}

export interface AdapterHarness {
  provider: string;
  /** A credential for the cloud's account. `timeoutMs`: how long one answer may take, where the adapter can be told. */
  credential(cloud: Simcloud, change?: CredentialChange): CredentialConfig;
  /** Sold there, and able to do whatever the provider can. */
  place: Place;
  /** What the provider, or this account, cannot do: the adapter must say so itself. */
  lacks: readonly Capability[];
  /** Besides the suite's own: which tag says whose machine it is, say. */
  simcloud?: SimcloudOptions;
  /** What an account must have before anybody rents in it, as `tests/support/dialects.ts` has it. */
  prepare?: (cloud: Simcloud, apiKey: string) => Promise<void>;
  /** Conformance checks that cannot be proved here, besides those of what it lacks. Say why, next to it. */
  unproved?: readonly string[];
  /** Instead of the global one: to look at what goes over the wire. */
  fetch?: typeof fetch;
  /** How the adapter tags a machine of this refId and credential. Default: the names of `IDENTITY_TAGS`. */
  identityTags?: (refId: string, cloudCredRefId: string, attemptKey?: string) => Record<string, string>;
  /** Default: the port's own format. */
  typeIdOf?: (place: Place) => string;
  /** The same place as simcloud itself calls it, where the vendor's words differ. */
  placeInSimcloud?: Place;
  /** What the vendor's 500 without more means. Default Internal. */
  kindOf500?: ErrorKind;
  /** Whether listings come in pages. Default true. */
  paginates?: boolean;
  /** Whether the catalog tells what is sold out. Default true; false: the refused create does. */
  tellsStock?: boolean;
  /** Whether a create answers with the machine as get shows it. Default true; false: with its id alone. */
  createShowsAll?: boolean;
}

interface Scene {
  cloud: Simcloud;
  provider: Provider;
  attrs(refId: string, change?: Partial<CreateInstanceAttrs>): CreateInstanceAttrs;
  create(refId: string, change?: Partial<CreateInstanceAttrs>): Promise<CreateOutcome>;
  /** Created, whatever it takes. */
  machine(refId: string, change?: Partial<CreateInstanceAttrs>): Promise<CloudInstance>;
  /** The same, and it runs. */
  running(refId: string): Promise<CloudInstance>;
  strike(operation: NewFault['operation'], kind: FaultKind, change?: Partial<NewFault>): Promise<void>;
  step(): Promise<void>;
  calls(operation: string): Promise<number>;
}

export function describeAdapter(name: string, harness: AdapterHarness): void {
  const { place, paginates = true, tellsStock = true, createShowsAll = true } = harness;
  const tagsOf = harness.identityTags ?? identityTags;
  const { placeInSimcloud = place, kindOf500 = 'Internal' } = harness;
  /** Faults that spoil an answer, and what a read that met one says. */
  const SPOILT_READS: [FaultKind, ErrorKind][] = [
    ['error-500', kindOf500],
    ['error-503', 'ServiceUnavailable'],
    ['html-instead-of-json', 'ServiceUnavailable'],
    ['drop-before-work', 'ServiceUnavailable'],
    ['drop-answer-after-work', 'ServiceUnavailable'],
    ['rate-limited', 'RateLimited'],
  ];
  const typeIdOf =
    harness.typeIdOf ??
    (({ location, subLocation, instanceType }) => toInstanceTypeId(location, subLocation, instanceType));
  const open = (credential: CredentialConfig): Provider => openProvider(credential, harness.fetch);
  /** A test about a capability that is lacking is not there, instead of skipped. */
  const itCan = (capability: Capability, promise: string, run: () => Promise<void>): void => {
    if (!harness.lacks.includes(capability)) it(promise, run);
  };

  async function scene(options: SimcloudOptions = {}, change: { timeoutMs?: number } = {}): Promise<Scene> {
    const cloud = await cloudWith({ ...harness.simcloud, ...options });
    const provider = open(harness.credential(cloud, change));
    const { cloudCredRefId } = provider;
    const attrs: Scene['attrs'] = (refId, change) => attrsFor(refId, { ...place, cloudCredRefId, ...change });
    const create: Scene['create'] = (refId, change) => provider.createInstance(attrs(refId, change), calm);
    const machine: Scene['machine'] = async (refId, change) => existing(await create(refId, change)).instance;
    const step = async (): Promise<void> => void (await cloud.control.advance(STEP_MS));
    return {
      cloud,
      provider,
      attrs,
      create,
      machine,
      step,
      running: async (refId) => {
        const { cloudId, location } = await machine(refId);
        await step();
        return provider.getInstance(cloudId, location, calm);
      },
      strike: async (operation, kind, change) => void (await cloud.control.addFault({ operation, kind, ...change })),
      calls: async (operation) => (await cloud.control.calls()).byOperation[operation] ?? 0,
    };
  }

  describe(name, () => {
    describeConformance(harness);

    describe('a create', () => {
      it('is the same machine in get and in the list, our identity kept apart from the caller’s tags', async () => {
        const { provider, machine } = await scene();
        const created = await machine('ref-1');
        const got = await provider.getInstance(created.cloudId, created.location, calm);
        const [listed] = await provider.listInstances(calm);
        expect(listed).toEqual(got);
        if (createShowsAll) expect(got).toEqual(created);
        else expect(got).toMatchObject(created);
      });

      it('adopts the machine of this attempt, if there are several of its refId', async () => {
        const { create, machine, cloud, provider } = await scene();
        await machine('ref-1');
        const second = attemptKey('ref-1', 2);
        const ofThisAttempt = await foreignMachine(
          cloud,
          placeInSimcloud,
          tagsOf('ref-1', provider.cloudCredRefId, second),
        );
        const again = existing(await create('ref-1', { attemptKey: second }));
        expect(again.instance.cloudId).toBe(ofThisAttempt);
      });

      itCan(
        'create-instance-idempotent',
        'of the same attempt returns the machine made before, though no listing shows it yet',
        async () => {
          const { cloud, attrs, machine } = await scene({ timing: { listingLagMs: 10 * STEP_MS } });
          const first = await machine('ref-1');
          // Time has passed, and the process that knew is gone.
          await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(first.createdAt));
          const restarted = open(harness.credential(cloud));
          const again = existing(await restarted.createInstance(attrs('ref-1'), calm));
          expect(again.instance).toMatchObject({ cloudId: first.cloudId, createdAt: first.createdAt });
          expect(await cloud.control.report()).toMatchObject({ created: 1, doubled: 0 });
        },
      );

      it('finds its machine behind the first page of the listing', async () => {
        const { create, machine, cloud, provider } = await scene();
        // One refId, several credentials: what is not ours fills the first pages.
        for (const other of ['other-1', 'other-2', 'other-3']) {
          await foreignMachine(cloud, placeInSimcloud, tagsOf('ref-1', other));
        }
        const first = await machine('ref-1');
        expect(first.cloudCredRefId).toBe(provider.cloudCredRefId);
        const again = existing(await create('ref-1'));
        expect(again.instance.cloudId).toBe(first.cloudId);
      });

      it.each([
        ['terminating', 0],
        ['terminated', 1],
      ])('makes a new machine while the earlier one is %s', async (_status, steps) => {
        const { create, machine, provider, step } = await scene();
        const first = await machine('ref-1');
        await provider.terminateInstance(first.cloudId, first.location, calm);
        for (let i = 0; i < steps; i += 1) await step();
        const next = existing(await create('ref-1', { attemptKey: attemptKey('ref-1', 2) }));
        expect(next.adopted).toBe(false);
        expect(next.instance.cloudId).not.toBe(first.cloudId);
      });

      it('adopts a failed machine of this very attempt, and never one of an earlier attempt', async () => {
        const { create, machine, cloud } = await scene();
        const first = await machine('ref-1');
        await cloud.control.fail(first.cloudId);
        const same = existing(await create('ref-1'));
        expect(same).toMatchObject({ adopted: true, instance: { cloudId: first.cloudId, status: 'failed' } });
        const next = existing(await create('ref-1', { attemptKey: attemptKey('ref-1', 2) }));
        expect(next.adopted).toBe(false);
      });

      it.each(['drop-answer-after-work', 'error-500-after-work', 'late-answer'] as const)(
        'is unknown after %s, and the next call adopts what was made',
        async (fault) => {
          const { create, strike, cloud } = await scene({}, { timeoutMs: 1_500 });
          await strike('create', fault, { delayMs: 10 * STEP_MS });
          expect((await create('ref-1')).outcome).toBe('unknown');
          expect(existing(await create('ref-1')).adopted).toBe(true);
          expect(await cloud.control.report()).toMatchObject({ created: 1, doubled: 0 });
        },
      );

      it.each([
        ['drop-before-work', 'ServiceUnavailable'] as const,
        ['error-500', kindOf500] as const,
        ['error-503', 'ServiceUnavailable'] as const,
        ['html-instead-of-json', 'ServiceUnavailable'] as const,
      ])('is unknown after %s, for the answer does not say that nothing was made', async (fault, kind) => {
        const { create, strike } = await scene();
        await strike('create', fault);
        expect(await create('ref-1')).toMatchObject({ outcome: 'unknown', failure: { kind } });
      });

      it.each([
        ['out-of-stock', 'InsufficientResources'],
        ['quota', 'OutOfQuota'],
        ['rate-limited', 'RateLimited'],
      ] as const)('is refused by %s as %s, and makes nothing', async (fault, kind) => {
        const { create, strike, cloud } = await scene();
        await strike('create', fault);
        const outcome = await create('ref-1');
        expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind, operation: 'createInstance' } });
        expect((await cloud.control.report()).created).toBe(0);
      });

      it('is refused as RateLimited with the delay it was told', async () => {
        const { create, strike } = await scene();
        await strike('create', 'rate-limited', { retryAfterSeconds: 7 });
        expect(await create('ref-1')).toMatchObject({ failure: { kind: 'RateLimited', retryAfterMs: 7_000 } });
      });

      it.each(SPOILT_READS)(
        'is refused when the look for an earlier machine meets %s: nothing was sent',
        async (fault, kind) => {
          const { create, strike, calls } = await scene();
          await strike('list', fault);
          expect(await create('ref-1')).toMatchObject({ outcome: 'refused', failure: { kind } });
          expect(await calls('create')).toBe(0);
        },
      );

      it('is refused when nobody listens at the address', async () => {
        const { cloud, attrs } = await scene();
        const credential = harness.credential(cloud, { apiUrl: await closedUrl() });
        const outcome = await open(credential).createInstance(attrs('ref-1'), calm);
        expect(outcome).toMatchObject({ outcome: 'refused', failure: { kind: 'ServiceUnavailable' } });
      });

      it('sends nothing when it was cancelled before', async () => {
        const { provider, attrs, cloud } = await scene();
        await provider.createInstance(attrs('ref-1'), AbortSignal.abort());
        expect((await cloud.control.calls()).total).toBe(0);
      });

      it('is unknown when it was cancelled on its way', async () => {
        const { provider, attrs, strike, cloud } = await scene();
        await strike('create', 'late-answer', { delayMs: 10 * STEP_MS });
        const cancel = new AbortController();
        const outcome = provider.createInstance(attrs('ref-1'), cancel.signal);
        await expect.poll(async () => (await cloud.control.report()).created).toBe(1);
        cancel.abort();
        expect((await outcome).outcome).toBe('unknown');
      });
    });

    describe('the credential', () => {
      it('is PermissionDenied when its account is suspended', async () => {
        const { cloud, provider } = await scene();
        await cloud.control.suspendAccount('default', true);
        await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind: 'PermissionDenied' });
      });
    });

    describe('a listing', () => {
      it('holds every machine of ours once, however many pages it takes', async () => {
        const { provider, machine } = await scene();
        const created: string[] = [];
        for (const refId of ['ref-1', 'ref-2', 'ref-3', 'ref-4', 'ref-5']) created.push((await machine(refId)).cloudId);
        const listed = await provider.listInstances(calm);
        expect(listed.map(({ cloudId }) => cloudId).sort()).toEqual(created.sort());
      });

      it('leaves out machines without our identity, and those of another credential', async () => {
        const { provider, machine, cloud } = await scene();
        await foreignMachine(cloud, placeInSimcloud, {});
        await foreignMachine(cloud, placeInSimcloud, { owner: 'somebody' });
        await foreignMachine(cloud, placeInSimcloud, tagsOf('ref-9', 'another-credential'));
        const ours = await machine('ref-1');
        expect((await provider.listInstances(calm)).map(({ cloudId }) => cloudId)).toEqual([ours.cloudId]);
      });

      it.each([
        ['list-repeats-page', 'Internal'] as const,
        ...(paginates ? [['list-fails-on-page-2', 'Internal'] as const] : []),
      ])('is an error after %s, never a shorter list', async (fault, kind) => {
        const { provider, machine, strike } = await scene();
        for (const refId of ['ref-1', 'ref-2', 'ref-3']) await machine(refId);
        await strike('list', fault);
        await expect(provider.listInstances(calm)).rejects.toMatchObject({ kind });
      });

      it.each(SPOILT_READS)('is an error after %s, never an empty list', async (fault, kind) => {
        const { provider, machine, strike } = await scene();
        await machine('ref-1');
        await strike('list', fault);
        await expect(provider.listInstances(calm)).rejects.toMatchObject({ name: 'ProviderError', kind });
      });

      it('that lost a page leaves get to say that the machine is there', async () => {
        const { provider, machine, strike } = await scene();
        const { cloudId, location } = await machine('ref-1');
        await strike('list', 'list-loses-page');
        expect(await provider.listInstances(calm)).toEqual([]);
        expect((await provider.getInstance(cloudId, location, calm)).cloudId).toBe(cloudId);
      });
    });

    describe('get', () => {
      it.each(SPOILT_READS)('never reads %s as absence', async (fault, kind) => {
        const { provider, machine, strike } = await scene();
        const { cloudId, location } = await machine('ref-1');
        await strike('get', fault);
        await expect(provider.getInstance(cloudId, location, calm)).rejects.toMatchObject({ kind });
      });
    });

    describe('terminate', () => {
      it('is NotYet while the provider refuses for now', async () => {
        const { provider, machine, strike } = await scene();
        const { cloudId, location } = await machine('ref-1');
        await strike('terminate', 'terminate-refused');
        await expect(provider.terminateInstance(cloudId, location, calm)).rejects.toMatchObject({ kind: 'NotYet' });
      });

      it.each(SPOILT_READS)('never takes %s for done', async (fault, kind) => {
        const { provider, machine, strike } = await scene();
        const { cloudId, location } = await machine('ref-1');
        await strike('terminate', fault);
        await expect(provider.terminateInstance(cloudId, location, calm)).rejects.toMatchObject({ kind });
      });
    });

    describe('what a machine can do', () => {
      it('is said by the adapter, and what it lacks is not', async () => {
        const { provider } = await scene();
        expect(provider.capabilities).toEqual(expect.arrayContaining(['create-instance', 'terminate-instance']));
        expect(harness.lacks.filter((capability) => provider.capabilities.includes(capability))).toEqual([]);
      });

      /** One call of each capability. */
      const VERBS: Partial<Record<Capability, (provider: Provider, on: CloudInstance) => Promise<unknown>>> = {
        'stop-start-instance': async (provider, { cloudId, location }) => {
          await provider.stopInstance(cloudId, location, calm);
        },
        'reboot-instance': (provider, { cloudId, location }) => provider.rebootInstance(cloudId, location, calm),
        'modify-firewall': (provider, { cloudId, location }) => provider.setFirewallRules(cloudId, location, WEB, calm),
        tags: (provider, { cloudId, location }) => provider.updateTags(cloudId, location, { team: 'b' }, calm),
        'resize-instance-volume': (provider, { cloudId, location }) =>
          provider.resizeVolume(cloudId, location, { value: 1, unit: 'TB' }, calm),
      };

      it.each(harness.lacks.filter((capability) => VERBS[capability]))('sends nothing for %s', async (capability) => {
        const { provider, running, cloud } = await scene();
        const instance = await running('ref-1');
        const before = (await cloud.control.calls()).total;
        await VERBS[capability]?.(provider, instance).catch(() => undefined);
        expect((await cloud.control.calls()).total).toBe(before);
      });

      itCan('stop-start-instance', 'cannot start yet while it stops', async () => {
        const { provider, running } = await scene();
        const { cloudId, location } = await running('ref-1');
        await provider.stopInstance(cloudId, location, calm);
        await expect(provider.startInstance(cloudId, location, calm)).rejects.toMatchObject({ kind: 'NotYet' });
      });

      itCan('stop-start-instance', 'cannot start for want of stock, and says so', async () => {
        const { provider, running, step, strike } = await scene();
        const { cloudId, location } = await running('ref-1');
        await provider.stopInstance(cloudId, location, calm);
        await step();
        await strike('start', 'out-of-stock');
        const started = provider.startInstance(cloudId, location, calm);
        await expect(started).rejects.toMatchObject({ kind: 'InsufficientResources' });
      });

      itCan('tags', 'keeps our identity when its tags are replaced', async () => {
        const { provider, machine } = await scene();
        const { cloudId, location, refId, cloudCredRefId, attemptKey: attempt } = await machine('ref-1');
        await provider.updateTags(cloudId, location, { team: 'b', refId: 'stolen' }, calm);
        const after = await provider.getInstance(cloudId, location, calm);
        expect(after).toMatchObject({ refId, cloudCredRefId, attemptKey: attempt });
        expect(after.tags).toEqual({ team: 'b' });
      });

      itCan(
        'modify-firewall',
        'sends nothing for firewall rules that it has, in whatever order they come',
        async () => {
          const { provider, machine, calls } = await scene();
          const { cloudId, location } = await machine('ref-1');
          await provider.setFirewallRules(cloudId, location, WEB, calm);
          const before = await calls('firewall');
          const reversed = { ...WEB, ingressRules: WEB.ingressRules.toReversed() };
          await provider.setFirewallRules(cloudId, location, reversed, calm);
          expect(await calls('firewall')).toBe(before);
        },
      );

      itCan('modify-firewall', 'opens and closes the difference of firewall rules only', async () => {
        const { provider, machine, cloud } = await scene();
        const { cloudId, location } = await machine('ref-1', { firewallRules: WEB });
        const rules = async (): Promise<{ id: string; fromPort: number }[]> =>
          (await cloud.control.machine(cloudId)).firewallRules.ingressRules;
        const https = (await rules()).find(({ fromPort }) => fromPort === 443);
        const [web] = WEB.ingressRules;
        if (!web) throw new Error('WEB has rules');
        const ingressRules = [web, { fromPort: 9_000, toPort: 9_010, ipRanges: [] }];
        await provider.setFirewallRules(cloudId, location, { ingressRules, egressRules: [] }, calm);
        const after = await rules();
        expect(after.map(({ fromPort }) => fromPort).sort()).toEqual([443, 9_000]);
        expect(after.find(({ fromPort }) => fromPort === 443)).toEqual(https);
      });
    });

    describe('the catalog', () => {
      it('calls its types by ids of the form that callers store', async () => {
        const { provider } = await scene();
        const types = await provider.listInstanceTypes(calm);
        expect(types.find(({ id }) => id === typeIdOf(place))).toMatchObject(place);
      });

      it(tellsStock ? 'says when a type is sold out' : 'shows what is sold, in stock or not', async () => {
        const { provider, cloud } = await scene();
        const { location, instanceType } = place;
        const { location: at, instanceType: type } = placeInSimcloud;
        await cloud.control.setStock({ location: at, instanceType: type, count: 0 });
        const types = await provider.listInstanceTypes(calm);
        expect(types.find((type) => type.location === location && type.instanceType === instanceType)).toMatchObject({
          isAvailable: !tellsStock,
        });
      });
    });

    describe('secrets', () => {
      it.each(SPOILT_READS)('are in nothing that %s leaves behind, however it is printed', async (fault) => {
        const { provider, attrs, strike } = await scene();
        const script = Buffer.from('#!/bin/sh\nexport TOKEN=planted-in-user-data\n').toString('base64');
        // Told to come back at once, or a 429 would hold up the next call for real.
        await strike('list', fault, { retryAfterSeconds: 0 });
        await strike('create', fault);
        const thrown: unknown = await provider.listInstances(calm).catch((error: unknown) => error);
        const change = provider.capabilities.includes('instance-userdata') ? { userDataBase64: script } : {};
        const outcome = await provider.createInstance(attrs('ref-1', change), calm);
        expect(thrown).toBeInstanceOf(ProviderError);
        for (const leftover of [thrown, outcome, provider]) {
          expect(printed(leftover)).not.toMatch(new RegExp([API_KEY, script, 'planted-in-user-data'].join('|')));
        }
      });
    });
  });
}

const WEB = {
  ingressRules: [
    { fromPort: 443, toPort: 443, ipRanges: ['203.0.113.0/24', '198.51.100.0/24'] },
    { fromPort: 8_080, toPort: 8_090, ipRanges: [] },
  ],
  egressRules: [],
};

function existing(outcome: CreateOutcome): Extract<CreateOutcome, { outcome: 'exists' }> {
  if (outcome.outcome !== 'exists') throw new Error(`not created: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** All that logs, histories and debuggers could make of it, causes included. */
function printed(value: unknown): string {
  const cause = value instanceof Error && value.cause ? printed(value.cause) : '';
  const text = value instanceof Error ? `${value.message} ${value.stack}` : '';
  return [inspect(value, { depth: 20, showHidden: true }), JSON.stringify(value), text, cause].join('\n');
}
