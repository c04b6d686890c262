/** The journal: events that outlive the engine, what is read from them, and who is told. */
export { CLOUD_EVENT_TYPE, type CloudEvent, type CloudEventOptions, toCloudEvent } from './cloud-event.js';
export * from './errors.js';
export type * from './journal.js';
export { jsonDifferences, sameJson } from './json.js';
export type { AttemptOutcome } from './models/attempts.js';
export { type Migrated, migrateJournal, openJournal } from './open.js';
export type { Percentiles } from './queries/boot-times.js';
export { INSTANCE_ORDERS, type InstanceOrder, type TimeRange } from './queries/instances.js';
export type { UsageKey } from './queries/usage.js';
export { SCHEMA_VERSION } from './stored-event.js';
export { readWebhooks } from './webhook-config.js';
export type { WebhookRetries } from './webhook-delivery.js';
export type { WebhookEndpoint } from './webhook-endpoint.js';
export type { DeadLetter, WebhookCursor, WebhookStore } from './webhook-store.js';
export { startWebhooks, type WebhookSink, type WebhookSinkOptions } from './webhooks.js';
