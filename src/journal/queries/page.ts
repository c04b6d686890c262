import { JournalInvalid } from '../errors.js';

/** A page of rows, and where the next one begins; without `next` it was the last. */
export interface Page<Row> {
  rows: Row[];
  next?: string;
}

/** Where a page ended: opaque to callers, and good only for the order it was taken in. */
export function toCursor(order: string, key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([order, ...key])).toString('base64url');
}

/** @throws {JournalInvalid} for what is no cursor of this order. */
export function fromCursor(cursor: string, order: string, length: number): (string | number)[] {
  try {
    const [of, ...key] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as (string | number)[];
    const whole = key.every((part) => typeof part === 'string' || typeof part === 'number');
    if (of === order && key.length === length && whole) return key;
  } catch {
    // told below
  }
  throw new JournalInvalid(`The cursor does not belong to a page ordered by ${order}`);
}

const LARGEST_PAGE = 10_000;

/** @throws {JournalInvalid} */
export function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LARGEST_PAGE) return limit;
  throw new JournalInvalid(`limit must be a whole number from 1 to ${LARGEST_PAGE}`);
}

/** '' as stored, absent for callers. */
export function orAbsent<T extends string>(text: string): T | undefined {
  return text === '' ? undefined : (text as T);
}

/** The same object without its undefined fields. */
export function compact<T extends object>(row: T): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as T;
}
