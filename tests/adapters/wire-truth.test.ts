import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { wireTruth } from './wire-truth.js';

/** A vendor that answers everything with this. */
async function faultsOf(
  method: string,
  path: string,
  sent: unknown,
  status: number,
  answer: unknown,
): Promise<string[]> {
  const server = createServer((_request, response) => response.writeHead(status).end(JSON.stringify(answer)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const wire = wireTruth({ file: 'lambdalabs.yaml', below: '' });
  const body = sent === undefined ? {} : { body: JSON.stringify(sent) };
  await wire.fetch(`http://127.0.0.1:${port}/api/v1${path}`, { method, ...body });
  server.close();
  return wire.faults();
}

const { isHere } = wireTruth({ file: 'lambdalabs.yaml', below: '' });

describe.skipIf(!isHere)('the check against a vendor’s document', () => {
  const launch = { region_name: 'a', instance_type_name: 'b', ssh_key_names: ['c'] };
  const launched = { data: { instance_ids: ['i'] } };

  it('has nothing to say of what is right', async () => {
    expect(await faultsOf('POST', '/instance-operations/launch', launch, 200, launched)).toEqual([]);
  });

  it.each([
    ['a field that is missing', { ...launch, region_name: undefined }, 200, launched],
    ['a field that is unknown', { ...launch, quantity: 1 }, 200, launched],
    ['a value that is not allowed', { ...launch, tags: [{ key: 'Team', value: 'a' }] }, 200, launched],
    ['an answer without its envelope', launch, 200, launched.data],
    ['a refusal with another code', launch, 400, { error: { code: 'made/up', message: 'no' } }],
    ['a status that is not documented', launch, 503, {}],
  ])('sees %s', async (_what, sent, status, answer) => {
    expect(await faultsOf('POST', '/instance-operations/launch', sent, status, answer)).not.toEqual([]);
  });

  it.each([
    ['an operation that is not there', 'PUT', '/instances'],
    ['a path that is not there', 'GET', '/machines'],
    ['a query that is not there', 'GET', '/instances?tag=a'],
  ])('sees %s', async (_what, method, path) => {
    expect(await faultsOf(method, path, undefined, 200, { data: [] })).not.toEqual([]);
  });

  it('looks at requests alone where the answers are made up', async () => {
    const wire = wireTruth({ file: 'lambdalabs.yaml', below: '', onlyRequests: true });
    const madeUp = wire.over(async () => new Response('<html>', { status: 502 }));
    const body = JSON.stringify({ ...launch, region_name: undefined });
    await madeUp('http://lambda.test/api/v1/instance-operations/launch', { method: 'POST', body });
    expect(wire.faults()).toEqual([expect.stringContaining('request:')]);
  });
});
