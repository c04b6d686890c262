import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Control } from './control.js';
import { CloudError, REFUSALS } from './errors.js';
import { FAULT_KIND_NAMES, OPERATIONS } from './fault-kinds.js';
import type { FaultSchedule, NewFault } from './faults.js';
import { parse } from './parse.js';
import type { QuotaSetting, StockSetting } from './stock.js';
import { DEFAULT_TIMING, type Timing } from './types.js';

/*
 * The control plane for other processes, under `/_control`. One route per method of `Control`, and what each answers is
 * what the method resolves to, as JSON (204 for nothing). No key is asked for: simcloud listens on loopback.
 */

const count = z.number().int().nonnegative().nullable();
const ms = z.number().nonnegative();
const kind = z.enum(FAULT_KIND_NAMES);
const operation = z.enum(OPERATIONS);

const stockBody: z.ZodType<StockSetting> = z.object({ location: z.string(), instanceType: z.string(), count });
const quotaBody: z.ZodType<QuotaSetting> = z.object({ location: z.string(), maxInstances: count });
const accountBody = z.object({ name: z.string(), suspended: z.boolean() });
const faultBody: z.ZodType<NewFault> = z.strictObject({
  id: z.string().optional(),
  operation: z.union([operation, z.literal('*')]),
  kind,
  match: z
    .strictObject({
      tag: z.record(z.string(), z.string()).optional(),
      instanceType: z.string().optional(),
      location: z.string().optional(),
      name: z.string().optional(),
      account: z.string().optional(),
    })
    .optional(),
  times: z.union([z.number().int().positive(), z.literal('always')]).optional(),
  delayMs: ms.optional(),
  retryAfterSeconds: ms.optional(),
});
const scheduleBody: z.ZodType<FaultSchedule | null> = z
  .strictObject({
    seed: z.union([z.string(), z.number()]),
    rates: z.partialRecord(kind, z.number().min(0).max(1)),
    operations: z.array(operation).optional(),
    delayMs: z.partialRecord(kind, ms).optional(),
    retryAfterSeconds: ms.optional(),
  })
  .nullable();
const advanceBody = z.object({ ms });
const timingNames = Object.keys(DEFAULT_TIMING) as [keyof Timing, ...(keyof Timing)[]];
const timingBody: z.ZodType<Partial<Timing>> = z.partialRecord(z.enum(timingNames), ms);
const reportQuery = z.object({ ownedCloudIds: z.array(z.string()).optional() });
const failBody = z.object({ message: z.string().optional() });

export function registerControl(app: FastifyInstance, control: Control): void {
  app.setErrorHandler(async (error, _request, reply) => {
    if (!(error instanceof CloudError)) throw error;
    const { code, message, details } = error;
    return reply.code(REFUSALS[code]).send({ error: { code, message, field: details.field } });
  });

  app.get('/ledger', () => control.ledger());
  app.get('/calls', () => control.calls());
  app.get('/shelves', () => control.shelves());
  app.get<{ Querystring: { ownedCloudIds?: string } }>('/report', ({ query }) =>
    control.report({ ownedCloudIds: query.ownedCloudIds?.split(',').filter(Boolean) }),
  );
  // The same for more ids than a URL holds.
  app.post('/report', ({ body }) => control.report(parse(reportQuery, body)));

  app.put('/stock', async ({ body }, reply) => {
    await control.setStock(parse(stockBody, body));
    return reply.code(204).send();
  });
  app.put('/quota', async ({ body }, reply) => {
    await control.setQuota(parse(quotaBody, body));
    return reply.code(204).send();
  });
  app.put('/accounts', async ({ body }, reply) => {
    const { name, suspended } = parse(accountBody, body);
    await control.suspendAccount(name, suspended);
    return reply.code(204).send();
  });

  app.get('/faults', () => control.faults());
  app.post('/faults', async ({ body }, reply) => reply.code(201).send(await control.addFault(parse(faultBody, body))));
  app.delete<{ Querystring: { id?: string } }>('/faults', async ({ query }, reply) => {
    await control.removeFaults(query.id);
    return reply.code(204).send();
  });
  app.put('/schedule', async ({ body }, reply) => {
    await control.setSchedule(body === null ? null : parse(scheduleBody, body));
    return reply.code(204).send();
  });

  app.post('/clock/advance', async ({ body }) => ({ now: await control.advance(parse(advanceBody, body).ms) }));
  app.put('/timing', ({ body }) => control.setTiming(parse(timingBody, body)));

  app.get<{ Params: { id: string } }>('/machines/:id', ({ params }) => control.machine(params.id));
  app.post<{ Params: { id: string; act: string } }>('/machines/:id/:act', async ({ params, body }, reply) => {
    if (params.act === 'vanish') await control.vanish(params.id);
    else if (params.act === 'fail') await control.fail(params.id, parse(failBody, body).message);
    else if (params.act === 'stop') await control.stop(params.id);
    else throw new CloudError('resource.not_found', `a machine can be made to vanish, fail or stop; not ${params.act}`);
    return reply.code(204).send();
  });
}
