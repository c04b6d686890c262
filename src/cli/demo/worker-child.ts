import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type SupervisedChild, startChild } from '../../temporal/child-process.js';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
/** A worker whose work is done ends in well under a second. */
const STOP_GRACE_MS = 3_000;

/** Workers as processes of their own, one at a time, so that one can be killed as a crash would. */
export class WorkerChild {
  private child: SupervisedChild | undefined;
  private wanted = false;

  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly logFile: string,
    /** It ended, and nobody had asked it to. */
    private readonly onCrash: (error: Error) => void,
  ) {}

  async start(): Promise<number> {
    const log = await open(this.logFile, 'a');
    this.wanted = true;
    const child = await startChild(process.execPath, [MAIN, 'worker'], { env: this.env, logFd: log.fd });
    await log.close(); // the child has its own by now
    this.child = child;
    void child.exited.then(({ code, signal }) => {
      if (this.child !== child || !this.wanted) return;
      this.onCrash(new Error(`The worker ended by itself (${signal ?? `exit code ${code}`}).`));
    });
    return child.pid;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.wanted = false;
    await this.child?.kill();
  }

  async stop(): Promise<void> {
    this.wanted = false;
    await this.child?.stop(STOP_GRACE_MS);
  }
}
