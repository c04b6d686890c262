import { type Check, mustBe, NotConforming } from '../check.js';
import type { Scene } from '../scene.js';
import { untilStatus } from '../waiting.js';
import { run } from './machine.js';

const BOOT_ID = 'cat /proc/sys/kernel/random/boot_id';

/** The same order twice has one effect: Temporal repeats an order whose answer was lost. */
export const POWER: readonly Check[] = [
  {
    id: 'reboot.back',
    title: 'a reboot is accepted, twice; the machine boots again and keeps its host key',
    can: 'reboot-instance',
    run: async (scene) => {
      const { provider, signal } = scene;
      const { cloudId, location } = await scene.running();
      const before = await bootId(scene);
      for (let turn = 0; turn < 2; turn += 1) await provider.rebootInstance(cloudId, location, signal);
      const startedAt = performance.now();
      for (let after = before; after === before; ) {
        const spentMs = performance.now() - startedAt;
        if (spentMs > scene.timing.rebootedMs)
          throw new NotConforming(`it did not boot again within ${Math.round(spentMs / 1000)} s`);
        scene.powerChanges();
        after = await bootId(scene);
      }
      return `back after ${Math.round((performance.now() - startedAt) / 1000)} s`;
    },
  },
  {
    id: 'stop.waits',
    title: 'a stop is accepted, twice, and ends in `stopped`',
    can: 'stop-start-instance',
    run: async (scene) => {
      const { provider, signal } = scene;
      const { cloudId, location } = await scene.running();
      scene.powerChanges();
      for (let turn = 0; turn < 2; turn += 1) await provider.stopInstance(cloudId, location, signal);
      await untilStatus(provider, { cloudId, location }, 'stopped', { signal, withinMs: scene.timing.stoppedMs });
      await provider.stopInstance(cloudId, location, signal);
      return 'stopped; asked again, it stays so';
    },
  },
  {
    id: 'start.waits',
    title: 'a start is accepted, twice, and ends in `running`, with SSH and the host key of before',
    can: 'stop-start-instance',
    run: async (scene) => {
      const { provider, signal } = scene;
      await scene.inside(); // for the host key of before
      const { cloudId, location } = await scene.stopped();
      for (let turn = 0; turn < 2; turn += 1) await provider.startInstance(cloudId, location, signal);
      await untilStatus(provider, { cloudId, location }, 'running', { signal, withinMs: scene.timing.startedMs });
      await provider.startInstance(cloudId, location, signal);
      const { exitCode } = await run(await scene.inside(), 'true');
      mustBe(exitCode === 0, `it runs, and "true" exited ${exitCode}`);
      return 'running, with the host key of before';
    },
  },
];

async function bootId(scene: Scene): Promise<string> {
  const { exitCode, stdout } = await run(await scene.inside(), BOOT_ID);
  mustBe(exitCode === 0, `"${BOOT_ID}" exited ${exitCode}`);
  return stdout.trim();
}
