import { z } from 'zod';
import { type CloudError, REFUSALS } from '../errors.js';
import type { IncomingCall } from '../gate.js';
import { parse } from '../parse.js';
import { bearerToken, type Dialect, sendOutcome } from './dialect.js';
import { addAuthorizedKey, makeServiceAccountKey } from './nebius-account.js';
import { addCatalog } from './nebius-catalog.js';
import { addDisks } from './nebius-disks.js';
import { addInstances } from './nebius-instances.js';
import { NebiusServices } from './nebius-services.js';

/*
 * Nebius AI Cloud over the core: gRPC on the cloud's own address, all services on one. Whoever calls signs a statement
 * with a service account's key and gets a token for it. A project for each location; a boot disk that comes and goes with
 * its machine; what changes something answers with an operation. Want of stock is an operation that failed; a machine
 * that is gone is neither listed nor found; an order that is done already is refused.
 *
 * `POST /nebius/authorized-keys`, with the account's API key, is the vendor's console: it gives a key file, or takes the
 * public half of a pair that somebody has made himself.
 */
export const nebiusDialect: Dialect = {
  name: 'nebius',
  prefix: '/nebius',
  register(app, cloud) {
    app.post('/authorized-keys', async (request, reply) => {
      const call: IncomingCall = {
        requestId: request.id,
        dialect: 'nebius',
        operation: 'other',
        endpoint: 'POST /authorized-keys',
        apiKey: bearerToken(request),
      };
      const outcome = await cloud.perform(call, ({ account }) =>
        request.body === undefined
          ? makeServiceAccountKey(cloud, account)
          : addAuthorizedKey(cloud, account, parse(keyBody, request.body)),
      );
      const refusal = ({ code, message }: CloudError) => ({
        status: REFUSALS[code],
        body: { message },
      });
      await sendOutcome(reply, outcome, { status: 200, body: (key) => key, refusal });
      return reply;
    });
  },
  methods(cloud) {
    const services = new NebiusServices(cloud);
    for (const add of [addInstances, addDisks, addCatalog]) add(services);
    return services.methods();
  },
};

const keyBody = z.object({
  kid: z.string().min(1),
  serviceAccountId: z.string().min(1),
  publicKey: z.string().min(1),
});
