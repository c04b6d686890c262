import type { Measured, SectionName } from '../report/results.js';

/** What a section is told. */
export interface Run {
  /** Smoke: seconds, and figures that mean nothing. */
  quick: boolean;
  /** Numbers that a caller set: `--instances 2000`. */
  given: Readonly<Partial<Record<'instances' | 'rounds', number>>>;
  /** Where workers leave CPU profiles, if asked for. */
  profile?: string;
  /** One line for whoever waits. */
  say(line: string): void;
  /** Something to be named beside the versions. */
  version(name: string, version: string): void;
}

export interface Section {
  name: SectionName;
  title: string;
  run(run: Run): Promise<Measured>;
}
