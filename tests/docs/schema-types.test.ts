import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { commandSchemas, eventSchema, requestSchema, viewSchema } from '../../src/client/schemas.js';
import type { InstanceEvent, InstanceRequestInput, InstanceView } from '../../src/domain/instance/index.js';
import type { CommandInputs } from '../../src/workflows/messages.js';

/** Ids lose their brand, intersections become one object: what is left is the shape on the wire. */
type Plain<T> = T extends string
  ? string extends T
    ? string
    : T
  : T extends readonly (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T]: Plain<T[Key]> }
      : T;

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(isSame: Equal<Plain<A>, Plain<B>>) => isSame;

type Commands = { -readonly [Name in keyof typeof commandSchemas]: z.infer<(typeof commandSchemas)[Name]> };

describe('the schemas’ types are the domain’s types, or this file does not compile', () => {
  it('request', () => expect(same<z.infer<typeof requestSchema>, InstanceRequestInput>(true)).toBe(true));
  it('commands', () => expect(same<Commands, CommandInputs>(true)).toBe(true));
  it('events', () => expect(same<z.infer<typeof eventSchema>, InstanceEvent>(true)).toBe(true));
  it('instance', () => expect(same<z.infer<typeof viewSchema>, InstanceView>(true)).toBe(true));

  it('would notice a field that is missing, optional, or another', () => {
    expect(same<{ a: string; b?: number }, { a: string }>(false)).toBe(false);
    expect(same<{ a?: string }, { a: string }>(false)).toBe(false);
    expect(same<{ a: 'x' | 'y' }, { a: string }>(false)).toBe(false);
  });
});
