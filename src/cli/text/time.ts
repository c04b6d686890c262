import { formatMs } from '../../domain/duration.js';
import { type IsoTime, toEpochMs } from '../../domain/ids.js';

/** `4m 3s` between two moments; a clock that runs behind gives 0. */
export function between(from: IsoTime, to: IsoTime | number = Date.now()): string {
  return formatMs(Math.max(0, (typeof to === 'number' ? to : toEpochMs(to)) - toEpochMs(from)));
}

/** What a person at a terminal needs of a time today: `09:30:00.123`, UTC as everywhere. */
export function timeOfDay(at: IsoTime): string {
  return at.slice(11, 23);
}
