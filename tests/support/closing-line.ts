import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends a run with the plain line that CI reads: `N passed, N failed, N skipped`. Where `SLIPWAY_FAILED_FILES` names a file,
 * it lists there what failed, `project path` a line.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    const failures = errors.map(() => 'run -');
    for (const module of modules) {
      const before = count.failed;
      if (module.errors().length > 0) count.failed += 1;
      // A hook that failed: its tests are called skipped.
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed' || state === 'failed' || state === 'skipped') count[state] += 1;
        else count.failed += 1; // neither: it was never run
      }
      if (count.failed > before) failures.push(`${module.project.name} ${module.relativeModuleId}`);
    }
    const { SLIPWAY_FAILED_FILES: list } = process.env;
    if (list && failures.length > 0) appendFileSync(list, `${failures.join('\n')}\n`);
    console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}
