import type { Command } from 'commander';
import { EXIT } from '../exit-codes.js';
import { BadInput } from '../failure.js';
import { readJsonFile } from '../json-file.js';
import { print, say } from '../terminal.js';

export function addReplay(program: Command): void {
  program
    .command('replay')
    .summary('check that this version understands histories of the one before')
    .description(
      [
        'Replays histories of running instances with the workflows of this version, before it is rolled out. Exits with 5',
        'if one of them would do otherwise than it did. Calls nobody. A history is what this prints:',
        '  temporal workflow show --workflow-id instance/REFID --output json',
      ].join('\n'),
    )
    .argument('<file...>', 'histories as JSON')
    .action(replay);
}

async function replay(files: string[]): Promise<void> {
  // All are read before the SDK is loaded: once it is installed and has done nothing, it keeps the process from ending.
  const histories: { file: string; history: unknown; workflowId: string }[] = [];
  for (const file of files) {
    const history = await readJsonFile(file);
    histories.push({ file, history, workflowId: workflowIdOf(history, file) });
  }
  const [{ Worker }, { DeterminismViolationError }, { workflowBundle }, { createLogger }, { installRuntime }] =
    await Promise.all([
      import('@temporalio/worker'),
      import('@temporalio/workflow'),
      import('../../workflow-bundle.js'),
      import('../../logging.js'),
      import('../../worker.js'),
    ]);
  installRuntime(createLogger({ level: 'silent', name: 'replay' }));
  const bundle = await workflowBundle();
  for (const { file, history, workflowId } of histories) {
    try {
      await Worker.runReplayHistory({ workflowBundle: bundle }, history, workflowId);
      print(`${file}: understood`);
    } catch (error) {
      if (!(error instanceof DeterminismViolationError)) throw error;
      say(`${file}: would be another life: ${error.message}`);
      process.exitCode = EXIT.failed;
    }
  }
}

interface HistoryStart {
  events?: { workflowExecutionStartedEventAttributes?: { input?: { payloads?: { data?: unknown }[] } } }[];
}

/** The workflow refuses to be anybody else's, and a history does not tell its id: the request in it does. */
function workflowIdOf(history: unknown, file: string): string {
  const [started] = (history as HistoryStart | null)?.events ?? [];
  const data = started?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
  try {
    const { refId } = JSON.parse(Buffer.from(String(data), 'base64').toString()) as { refId?: unknown };
    if (typeof refId === 'string') return `instance/${refId}`;
  } catch {}
  throw new BadInput(
    `${file} is not the history of an instance, as \`temporal workflow show --output json\` prints it.`,
  );
}
