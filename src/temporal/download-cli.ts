import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TEMPORAL_CLI_VERSION } from './cli-version.js';
import { type Report, reportWhile } from './progress.js';
import type { RunCommand } from './run-command.js';

/** An offline machine should learn it quickly and go on to the next way. */
const ANSWER_TIMEOUT_MS = 5_000;
/** A download may be slow, but not silent. */
const STALL_TIMEOUT_MS = 30_000;

export interface DownloadCliOptions {
  /** An existing folder, ours alone: the archive and the binary are put there. */
  into: string;
  report: Report;
  heartbeatMs: number;
  fetch: typeof fetch;
  run: RunCommand;
  platform: NodeJS.Platform;
  arch: NodeJS.Architecture;
  /** How long the service may take to begin an answer. */
  answerTimeoutMs?: number;
}

/**
 * Downloads the official CLI for this machine and returns the path of the unpacked binary inside `into`.
 * The service answers `{ archiveUrl, fileToExtract }` (it is the one Temporal's SDKs use); `tar` unpacks, on Windows too.
 * @throws {Error} One sentence: unreachable, refused, stalled, or an answer we do not understand.
 */
export async function downloadCli(options: DownloadCliOptions): Promise<string> {
  const { into, report, heartbeatMs, run } = options;
  const url = toInfoUrl(options.platform, options.arch);
  report(
    `Asking temporal.download for the Temporal CLI ${TEMPORAL_CLI_VERSION} (about 40 MB, usually under a minute).`,
  );

  const { archiveUrl, fileToExtract } = await getArchiveInfo(url, options);
  const archive = join(into, 'archive');
  let bytes = 0;
  await reportWhile(
    report,
    heartbeatMs,
    (elapsed) => `Downloading the Temporal CLI: ${Math.round(bytes / 1e6)} MB in ${elapsed}.`,
    () => saveBody(archiveUrl, archive, options, (length) => (bytes += length)),
  );

  const tar = await run('tar', ['-xf', archive, '-C', into, fileToExtract]);
  if (tar.code !== 0) throw new Error(`\`tar\` could not unpack ${archiveUrl}: ${tar.stderr.trim()}`);
  return join(into, fileToExtract);
}

function toInfoUrl(platform: NodeJS.Platform, arch: NodeJS.Architecture): string {
  const os = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[platform as string];
  const cpu = { x64: 'amd64', arm64: 'arm64' }[arch as string];
  if (!os || !cpu) throw new Error(`there is no official download for ${platform} on ${arch}`);
  const query = new URLSearchParams({ arch: cpu, platform: os, 'sdk-name': 'sdk-typescript', 'sdk-version': '1.24.0' });
  return `https://temporal.download/cli/v${TEMPORAL_CLI_VERSION}?${query}`;
}

async function getArchiveInfo(url: string, options: DownloadCliOptions) {
  const response = await fetchInTime(url, options);
  const info = (await response.json()) as { archiveUrl?: unknown; fileToExtract?: unknown } | null;
  const { archiveUrl, fileToExtract } = info ?? {};
  if (typeof archiveUrl !== 'string' || !archiveUrl.startsWith('https://')) {
    throw new Error(`${url} answered without an https archiveUrl`);
  }
  // A bare file name: it becomes an argument of `tar` and part of a path.
  if (typeof fileToExtract !== 'string' || !/^[\w][\w.-]*$/.test(fileToExtract)) {
    throw new Error(`${url} answered without a usable fileToExtract`);
  }
  return { archiveUrl, fileToExtract };
}

/** Fetches; the timeout covers the time until the headers, since the body may take as long as it flows. */
async function fetchInTime(
  url: string,
  { fetch, answerTimeoutMs = ANSWER_TIMEOUT_MS }: DownloadCliOptions,
  abort = new AbortController(),
) {
  const late = new Error(`${new URL(url).host} did not answer within ${answerTimeoutMs / 1000} s`);
  const timer = setTimeout(() => abort.abort(late), answerTimeoutMs);
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return response;
  } finally {
    clearTimeout(timer);
  }
}

async function saveBody(url: string, file: string, options: DownloadCliOptions, onBytes: (length: number) => void) {
  const abort = new AbortController();
  const { body } = await fetchInTime(url, options, abort);
  if (!body) throw new Error(`${url} answered without a body`);
  const stalled = new Error(`${new URL(url).host} sent nothing for ${STALL_TIMEOUT_MS / 1000} s`);
  const timer = setTimeout(() => abort.abort(stalled), STALL_TIMEOUT_MS);
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      timer.refresh();
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  try {
    await pipeline(Readable.fromWeb(body), watch, createWriteStream(file), { signal: abort.signal });
  } catch (error) {
    throw abort.signal.aborted ? stalled : error;
  } finally {
    clearTimeout(timer);
  }
}
