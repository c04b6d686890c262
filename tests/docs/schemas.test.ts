import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandSchemas, eventSchema, viewSchema } from '../../src/client/schemas.js';
import { jsonSchemas } from '../../src/docs/schemas.js';
import {
  COMMANDS,
  type CommandName,
  commandIssues,
  type InstanceFact,
  toView,
} from '../../src/domain/instance/index.js';
import { EVENTS } from '../domain/event-table.js';
import { VALID_REQUEST } from '../domain/invalid-requests.js';
import { requested, SITUATIONS } from '../domain/stories.js';
import { START, stateAfter } from '../support/given.js';

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const compile = (name: string) => ajv.compile(jsonSchemas()[name] as object);
const stored = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('every event type', () => {
  const fits = compile('event.schema.json');
  const facts: InstanceFact[] = [...Object.values(EVENTS).map(([fact]) => fact), requested(VALID_REQUEST)];

  it.each(facts.map((fact) => [fact.type, fact] as const))(
    '%s fits the schemas, and loses nothing in them',
    (_type, fact) => {
      const event = stored({ ...fact, seq: 1, at: START });
      expect(eventSchema.parse(event)).toEqual(event);
      expect(fits(event)).toBe(true);
    },
  );

  it('may have fields that a reader does not know', () => {
    const event = stored({ ...EVENTS.InstanceStopped[0], seq: 1, at: START, since: 'tomorrow' });
    expect(eventSchema.safeParse(event).success).toBe(true);
    expect(fits(event)).toBe(true);
  });
});

describe('every answer of describe', () => {
  const fits = compile('instance.schema.json');

  it.each(Object.keys(SITUATIONS))('%s fits the schemas, and loses nothing in them', (situation) => {
    const view = stored(toView(stateAfter(...SITUATIONS[situation as keyof typeof SITUATIONS])));
    expect(viewSchema.parse(view)).toEqual(view);
    expect(fits(view)).toBe(true);
  });
});

const GOOD: Record<CommandName, Record<string, unknown>> = {
  stop: {},
  start: {},
  reboot: {},
  terminate: { reason: 'done' },
  retry: {},
  release: { reason: 'the vendor lost it', cloudId: 'm-1' },
  setFirewallRules: { firewallRules: VALID_REQUEST.firewallRules },
  updateTags: { tags: { team: 'a' } },
  changeInstanceType: { instanceType: 'gpu_8x_h100' },
  resizeVolume: { size: { value: 300, unit: 'GiB' } },
};

describe('every command’s input', () => {
  const { properties } = jsonSchemas()['commands.schema.json'] as { properties: Record<string, object> };
  const judged = (name: CommandName, input: Record<string, unknown>) => ({
    byHand: commandIssues({ requestId: 'r-1', ...input, type: name }).length === 0,
    zod: commandSchemas[name].safeParse(input).success,
  });

  it.each(COMMANDS)('%s: a good one is accepted everywhere, also with an actor and a requestId', (name) => {
    const fits = ajv.compile({
      ...properties[name],
      $defs: (jsonSchemas()['commands.schema.json'] as { $defs?: object }).$defs,
    });
    for (const input of [GOOD[name], { ...GOOD[name], actor: 'ann', requestId: 'r-7' }]) {
      expect({ ...judged(name, input), jsonSchema: fits(stored(input)) }).toEqual({
        byHand: true,
        zod: true,
        jsonSchema: true,
      });
    }
  });

  it.each([
    ['an actor that is no text', 'stop', { actor: { name: 'ann' } }],
    ['an actor of two lines', 'stop', { actor: 'a\nb' }],
    ['an actor as long as a book', 'stop', { actor: 'x'.repeat(256) }],
    ['a requestId that is no text', 'retry', { requestId: 7 }],
    ['a reason that is no text', 'terminate', { reason: ['done'] }],
    ['no reason', 'release', {}],
    ['a field that is misspelt', 'terminate', { raeson: 'done' }],
    ['no rules', 'setFirewallRules', {}],
    ['no tags', 'updateTags', {}],
    ['a type of two lines', 'changeInstanceType', { instanceType: 'a\nb' }],
    ['a size without a unit', 'resizeVolume', { size: 300 }],
  ] as const)('%s is refused by both', (_what, name, input) => {
    expect(judged(name, input)).toEqual({ byHand: false, zod: false });
  });

  it('is judged alike by the validator and the zod schema, whatever it is', () =>
    fc.assert(
      fc.property(
        fc.constantFrom(...COMMANDS),
        fc.dictionary(
          fc.constantFrom('reason', 'actor', 'cloudId', 'tags', 'size', 'instanceType', 'firewallRules', 'extra'),
          fc.oneof(
            fc.constantFrom<unknown>('a', '', ' ', 'a\n', {}, { value: 1, unit: 'GB' }, { a: 'b' }),
            fc.jsonValue({ maxDepth: 1 }),
          ),
          { maxKeys: 2 },
        ),
        (name, change) => {
          fc.pre(!JSON.stringify(change).includes('"__proto__"'));
          const { byHand, zod } = judged(name, stored({ ...GOOD[name], ...change }) as Record<string, unknown>);
          expect(zod).toBe(byHand);
        },
      ),
      { numRuns: 2_000 },
    ));
});
