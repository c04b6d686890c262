import { createHash } from 'node:crypto';

/**
 * The pages of an account's listing, by their text. Most are what they were a second ago, and to read one is most of what
 * it costs: the same text gives the same objects, which nobody may change.
 */
export class UnchangedPages {
  #before = new Map<string, unknown>();
  #now = new Map<string, unknown>();

  /** Before the first page of each listing: what the listing before it did not show is forgotten. */
  begin(): this {
    this.#before = this.#now;
    this.#now = new Map();
    return this;
  }

  /** @returns what the same text gave in this listing or the last, or else what `read` makes of it. */
  get<T>(text: string, read: () => T): T {
    const digest = createHash('sha256').update(text).digest('base64');
    const known = this.#now.get(digest) ?? this.#before.get(digest);
    const page = known === undefined ? read() : (known as T);
    this.#now.set(digest, page);
    return page;
  }
}

/** `make`, but only once for each object; what it made goes with it. */
export function perObject<K extends object, V>(make: (object: K) => V): (object: K) => V {
  const made = new WeakMap<K, V>();
  return (object) => {
    const known = made.get(object);
    if (known !== undefined) return known;
    const value = make(object);
    made.set(object, value);
    return value;
  };
}
