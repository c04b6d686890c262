import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import type { Rpc } from '../../src/adapters/nebius/channels.js';
import { RPCS } from '../../src/adapters/nebius/client.js';
import { ROOT as OURS } from '../../src/adapters/nebius/proto.js';
import { EXCHANGE } from '../../src/adapters/nebius/token.js';
import { ROOT as THEIRS } from '../../src/simcloud/dialects/nebius-proto.js';
import { nebiusMethods } from '../support/nebius.js';

/*
 * Every message, field, number, type and method that we and our dialect speak, held against the vendor's own table. It
 * lies beside the repository, not in it: where it is not, this is reported as skipped.
 */

const FILE = fileURLToPath(new URL('../../../shared/data/nebius-proto-fields.txt', import.meta.url));
const isHere = existsSync(FILE);

interface Table {
  /** `nebius.compute.v1.Instance` → field name → `1 common.v1.ResourceMetadata`, `oneof` included. */
  messages: Map<string, Map<string, string>>;
  enums: Map<string, Record<string, number>>;
  /** `nebius.compute.v1.InstanceService/Get` → `nebius.compute.v1.GetInstanceRequest nebius.compute.v1.Instance`. */
  methods: Map<string, string>;
}

function readTable(): Table {
  const table: Table = { messages: new Map(), enums: new Map(), methods: new Map() };
  let inside = '';
  for (const line of readFileSync(FILE, 'utf8').split('\n')) {
    inside = /^# file \S+\s+package (\S+)/.exec(line)?.[1] ?? inside;
    const [, kind, name = '', body = ''] = /^(message|enum|service) ([\w.]+) \{(.*)\}$/.exec(line) ?? [];
    const items = body
      .split(';')
      .map((item) => item.trim())
      .filter(Boolean);
    if (kind === 'message') table.messages.set(`${inside}.${name}`, new Map(items.map(toField)));
    if (kind === 'enum') table.enums.set(`${inside}.${name}`, Object.fromEntries(items.map((item) => toValue(item))));
    if (kind === 'service') {
      for (const item of items) {
        const [, method, request = '', reply = ''] = /^(\w+)\((\S+)\)->(\S+)$/.exec(item) ?? [];
        table.methods.set(`${inside}.${name}/${method}`, `${full(request, inside)} ${full(reply, inside)}`);
      }
    }
  }
  return table;
}

function toField(item: string): [string, string] {
  const [, number, type = '', name = '', oneof = ''] = /^(\d+) (.+?) (\w+)( \(oneof \w+\))?$/.exec(item) ?? [];
  return [name, `${number} ${type.replaceAll('common.v1.', '').replace(/nebius\.[\w.]*\./g, '')}${oneof}`];
}

function toValue(item: string): [string, number] {
  const [name = '', number] = item.split('=');
  return [name, Number(number)];
}

function full(type: string, inside: string): string {
  if (type.startsWith('common.v1.')) return `nebius.${type}`;
  return type.includes('.') ? type : `${inside}.${type}`;
}

/** What stands in a root of ours, as the table would say it. */
function lines(root: protobuf.Root): { fields: string[]; values: string[] } {
  const fields: string[] = [];
  const values: string[] = [];
  const visit = (at: protobuf.ReflectionObject): void => {
    if (at instanceof protobuf.Type && at.fullName.startsWith('.nebius.')) {
      for (const field of at.fieldsArray) fields.push(`${at.fullName.slice(1)} ${field.name}: ${toLine(field)}`);
    }
    if (at instanceof protobuf.Enum) {
      for (const [name, value] of Object.entries(at.values)) values.push(`${at.fullName.slice(1)} ${name}=${value}`);
    }
    if (at instanceof protobuf.Namespace) for (const nested of at.nestedArray) visit(nested);
  };
  visit(root);
  return { fields, values };
}

function toLine(field: protobuf.Field): string {
  const type = field.type.replace(/^\.?nebius\.[\w.]*\./, '');
  const oneof = field.partOf && !field.partOf.isProto3Optional ? ` (oneof ${field.partOf.name})` : '';
  const kind = field.partOf?.isProto3Optional ? 'optional ' : field.repeated ? 'repeated ' : '';
  const shown = field instanceof protobuf.MapField ? `map<${field.keyType},${type}>` : `${kind}${type}`;
  return `${field.id} ${shown}${oneof}`;
}

describe.skipIf(!isHere)('the wire, by the vendor’s own field table', () => {
  const table = isHere ? readTable() : undefined;

  it.each([
    ['the adapter', OURS],
    ['the dialect', THEIRS],
  ])('has every field of %s, with its number, type and oneof', (_whose, root) => {
    const { fields } = lines(root);
    const wrong = fields.filter((line) => {
      const [, message = '', name = '', said] = /^(\S+) (\w+): (.+)$/.exec(line) ?? [];
      return table?.messages.get(message)?.get(name) !== said;
    });
    expect(wrong).toEqual([]);
    expect(fields.length).toBeGreaterThan(120);
  });

  it.each([
    ['the adapter', OURS],
    ['the dialect', THEIRS],
  ])('has every word of an enum of %s, and they are all there', (_whose, root) => {
    const { values } = lines(root);
    const names = new Set(values.map((line) => line.slice(0, line.indexOf(' '))));
    const known = [...names].flatMap((name) =>
      Object.entries(table?.enums.get(name) ?? {}).map(([word, number]) => `${name} ${word}=${number}`),
    );
    expect(values.sort()).toEqual(known.sort());
    expect(values.length).toBeGreaterThan(30);
  });

  it('has every method that the adapter calls, with its messages', () => {
    const called: Rpc[] = [...Object.values(RPCS), EXCHANGE];
    const wrong = called.filter(({ method, request, reply }) => table?.methods.get(method) !== `${request} ${reply}`);
    expect(wrong).toEqual([]);
  });

  it('has every method that the dialect answers, and those are all that the adapter calls', async () => {
    const answered = await nebiusMethods();
    expect(answered.filter((path) => !table?.methods.has(path))).toEqual([]);
    const called = [...Object.values(RPCS), EXCHANGE].map(({ method }) => method);
    expect(called.filter((path) => !answered.includes(path))).toEqual([]);
  });

  it('would see a number that is not the vendor’s', () => {
    const root = new protobuf.Root();
    protobuf.parse('syntax = "proto3"; package nebius.compute.v1; message GetInstanceRequest { string id = 2; }', root);
    const [line = ''] = lines(root).fields;
    expect(line).toBe('nebius.compute.v1.GetInstanceRequest id: 2 string');
    expect(table?.messages.get('nebius.compute.v1.GetInstanceRequest')?.get('id')).toBe('1 string');
  });
});
