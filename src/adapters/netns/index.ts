import { resolve } from 'node:path';
import { z } from 'zod';
import { defineAdapter } from '../adapter-module.js';
import { baseCredential } from '../credential.js';
import { ID, NetnsProvider } from './adapter.js';
import { HostStore } from './store.js';
import { Supervision } from './supervision.js';

const credentialSchema = baseCredential.extend({
  /** Where hosts are kept. One worker per folder. */
  stateDir: z
    .string()
    .min(1)
    .refine((path) => resolve(path) === path, 'must be an absolute path'),
  /** `native`: rules are changed from outside the host. `host`: it brings its firewall along, as with most vendors. */
  firewall: z.enum(['native', 'host']).optional(),
});

export const netnsAdapter = defineAdapter({
  id: ID,
  credentialSchema,
  secretFields: [],
  create({ cloudCredRefId, stateDir, firewall }, { onCreateAnswered }) {
    const store = new HostStore(stateDir);
    return new NetnsProvider(cloudCredRefId, store, new Supervision(store), firewall, onCreateAnswered);
  },
});
