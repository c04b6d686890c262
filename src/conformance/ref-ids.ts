import { randomBytes } from 'node:crypto';
import type { CloudInstance, SideResource } from '../domain/provider.js';

/** Every machine of any run begins so: what a run that crashed has left is known by it. */
const PREFIX = 'slipway-conf-';

/** The refIds of one run: `slipway-conf-mhx2k4-9f-1`. */
export class RefIds {
  readonly run = `${PREFIX}${Math.floor(Date.now() / 1000).toString(36)}-${randomBytes(2).toString('hex')}`;
  #count = 0;

  next(): string {
    this.#count += 1;
    return `${this.run}-${this.#count}`;
  }

  isOfThisRun({ refId }: { refId?: string }): boolean {
    return refId?.startsWith(`${this.run}-`) === true;
  }

  isOfAnotherRun(one: { refId?: string }): boolean {
    return isOfAnyRun(one) && !this.isOfThisRun(one);
  }
}

export function isOfAnyRun({ refId }: Pick<CloudInstance | SideResource, 'refId'>): boolean {
  return refId?.startsWith(PREFIX) === true;
}
