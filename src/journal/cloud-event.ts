import type { IsoTime, RefId } from '../domain/ids.js';
import type { InstanceEvent } from '../domain/instance/index.js';
import type { JournalEntry } from './store/entries.js';
import { SCHEMA_VERSION } from './stored-event.js';

/** A journal entry in the envelope of CloudEvents 1.0, JSON format. @see https://github.com/cloudevents/spec */
export interface CloudEvent {
  specversion: '1.0';
  /**
   * `<refId>/<seq>`: unique within the source, the same however often it is delivered. After a reset the same number
   * names another event, so then it is `<refId>/<seq>~<how often superseded>`.
   */
  id: string;
  source: string;
  /** `slipway.instance.<type of event>.v<schema version of data>` */
  type: string;
  subject: RefId;
  time: IsoTime;
  datacontenttype: 'application/json';
  /**
   * The extension of that name: the position, in sixteen digits, so that it sorts as text. `Number(sequence)` is what
   * following goes on from.
   */
  sequence: string;
  /** What was told of this subject from `data.seq` on no longer holds: a reset run says otherwise, from here on. */
  supersedes?: true;
  data: InstanceEvent;
}

export interface CloudEventOptions {
  /** A URI reference that names this installation. Default `/slipway`. */
  source?: string;
}

/** The media type of one event in structured mode. */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json; charset=utf-8';

/** `data` is brought up to today's version, and the type names that one. */
export function toCloudEvent(
  { position, refId, event, revision, supersedes }: JournalEntry,
  options: CloudEventOptions = {},
): CloudEvent {
  return {
    specversion: '1.0',
    id: `${refId}/${event.seq}${revision > 0 ? `~${revision}` : ''}`,
    source: options.source ?? '/slipway',
    type: `slipway.instance.${event.type}.v${SCHEMA_VERSION}`,
    subject: refId,
    time: event.at,
    datacontenttype: 'application/json',
    sequence: String(position).padStart(16, '0'),
    ...(supersedes && { supersedes }),
    data: event,
  };
}
