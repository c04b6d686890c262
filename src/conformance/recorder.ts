import { inspect } from 'node:util';
import { type ErrorKind, ProviderError } from '../domain/errors.js';
import type { CloudInstance, CreateOutcome, Provider } from '../domain/provider.js';

/** A machine, and whether every create that told of it found it there before. */
export interface Made {
  instance: CloudInstance;
  adopted: boolean;
}

/** What the adapter said of itself in the whole run, for the checks that come last. */
export class Recorder {
  readonly #kinds: { kind: ErrorKind; operation: string }[] = [];
  readonly #printed: string[] = [];
  readonly #made = new Map<string, Made>();

  /** How often a call ended with this kind. */
  count(kind: ErrorKind): number {
    return this.#kinds.filter((one) => one.kind === kind).length;
  }

  /** Everything that a log, a history or a debugger could have made of errors and outcomes. */
  get printed(): readonly string[] {
    return this.#printed;
  }

  /** Every machine that a create told of, whatever it said of its identity. */
  get made(): readonly Made[] {
    return [...this.#made.values()];
  }

  note(value: unknown, operation: string): void {
    this.#printed.push(printed(value));
    const kind = value instanceof ProviderError ? value.kind : kindOf(value);
    if (kind) this.#kinds.push({ kind, operation });
    const outcome = value as CreateOutcome;
    if (operation === 'createInstance' && outcome.outcome === 'exists') this.#noteMachine(outcome);
  }

  #noteMachine({ instance, adopted }: Made): void {
    const wasNew = this.#made.get(instance.cloudId)?.adopted === false;
    this.#made.set(instance.cloudId, { instance, adopted: adopted && !wasNew });
  }

  /** The same provider, listened to. */
  watch(provider: Provider): Provider {
    return new Proxy(provider, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => this.#listen(value.apply(target, args), String(name));
      },
    });
  }

  async #listen(call: unknown, operation: string): Promise<unknown> {
    try {
      const result = await call;
      if (operation === 'createInstance') this.note(result, operation);
      return result;
    } catch (error) {
      this.note(error, operation);
      throw error;
    }
  }
}

function kindOf(value: unknown): ErrorKind | undefined {
  const outcome = value as Partial<CreateOutcome> | undefined;
  return outcome?.outcome === 'refused' || outcome?.outcome === 'unknown'
    ? (outcome as Extract<CreateOutcome, { outcome: 'refused' }>).failure.kind
    : undefined;
}

/** All that could be seen of it, causes included. */
function printed(value: unknown): string {
  const cause = value instanceof Error && value.cause ? printed(value.cause) : '';
  const text = value instanceof Error ? `${value.message} ${value.stack}` : '';
  return [inspect(value, { depth: 20, showHidden: true }), JSON.stringify(value), text, cause].join('\n');
}
