import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Changes within this time are written together. */
const DEBOUNCE_MS = 25;

/**
 * One JSON file of one cloud, always whole: it is written beside and renamed over. A process that is killed loses the last moments
 * (25 ms and one write), as a cloud would that answers before it has replicated.
 */
export class DataFile<T> {
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly read: () => T,
  ) {}

  /** @returns undefined when there is no file yet. @throws {Error} when it is not ours to read. */
  static async load<T>(path: string): Promise<T | undefined> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new Error(`${path} is not a simcloud data file`, { cause });
    }
  }

  changed(): void {
    if (!this.#isClosed) this.#timer ??= setTimeout(() => void this.flush(), DEBOUNCE_MS);
  }

  /** Resolves when the state of this moment is in the file. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Writes a last time and never again: by then the file may be another cloud's. */
  close(): Promise<void> {
    const written = this.flush();
    this.#isClosed = true;
    return written;
  }

  async #write(): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true });
    const beside = `${this.path}.${process.pid}.tmp`;
    await writeFile(beside, JSON.stringify(this.read()), { mode: 0o600 }); // it holds private host keys
    await rename(beside, this.path);
  }
}
