import { CloudEvent, HTTP, ValidationError } from 'cloudevents';
import { describe, expect, it } from 'vitest';
import { type JournalEntry, toCloudEvent } from '../../src/journal/index.js';
import { linesOf } from './support/every-event.js';

const entries = linesOf(1).map(
  ({ refId, event }, index): JournalEntry => ({
    position: index + 1,
    refId,
    event,
    schemaVersion: 1,
    revision: 0,
    recordedAt: event.at,
  }),
);

describe('the envelope', () => {
  it('is CloudEvents 1.0, by its own SDK, for every type of event', () => {
    for (const entry of entries) {
      const event = toCloudEvent(entry);
      expect(new CloudEvent({ ...event }, true).validate()).toBe(true);
      const headers = { 'content-type': 'application/cloudevents+json' };
      const received = HTTP.toEvent({ headers, body: JSON.stringify(event) }) as CloudEvent<unknown>;
      expect(received).toMatchObject({
        id: `${entry.refId}/${entry.event.seq}`,
        subject: entry.refId,
        data: entry.event,
      });
    }
  });

  it('names what happened, where and when', () => {
    const [entry] = entries as [JournalEntry];
    expect(toCloudEvent({ ...entry, position: 42 }, { source: 'https://slipway.example/prod' })).toEqual({
      specversion: '1.0',
      id: 'v-hard/1',
      source: 'https://slipway.example/prod',
      type: 'slipway.instance.InstanceRequested.v1',
      subject: 'v-hard',
      time: '2026-03-01T12:00:00.000Z',
      datacontenttype: 'application/json',
      sequence: '0000000000000042',
      data: entry.event,
    });
  });

  it('tells an event that a reset run put in the place of another from that one', () => {
    const [, entry] = entries as [JournalEntry, JournalEntry];
    const again = toCloudEvent({ ...entry, revision: 2, supersedes: true });
    expect(again).toMatchObject({ id: 'v-hard/2~2', supersedes: true });
    expect(new CloudEvent({ ...again }, true).validate()).toBe(true);
    for (const name of Object.keys(again)) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
    expect(toCloudEvent(entry)).not.toHaveProperty('supersedes');
  });

  it('has attribute names that the standard allows', () => {
    for (const name of Object.keys(toCloudEvent(entries[0] as JournalEntry))) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
  });

  it('would not pass with an attribute missing', () => {
    const { source: _source, ...lame } = toCloudEvent(entries[0] as JournalEntry);
    expect(() => new CloudEvent({ ...lame, source: '' }, true).validate()).toThrow(ValidationError);
  });
});
