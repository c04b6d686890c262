import { type InstanceView, SlipwayError } from '../../client/index.js';
import { formatMs } from '../../domain/duration.js';
import { wrap } from '../terminal.js';
import { Actor } from './actor.js';
import type { Stage } from './stage.js';
import { type Scene, type Story, WIDTH } from './story.js';

/** The indent of a scene's lines. */
const MARGIN = 9;

interface Ready {
  actor: Actor;
  view: InstanceView;
}

/** All scenes, at the same time where one does not disturb another: only the kill needs the worker for itself. */
export async function tellAll(stage: Stage, story: Story): Promise<void> {
  const first = story.scene('Straight to ready');
  const second = story.scene('Two offers out of stock, ready with the third');
  const third = story.scene('The answer of the create is lost: adopted, not doubled');
  const fourth = story.scene('A quota wall: parked with the reason, retried to ready');
  const fifth = story.scene('The worker is killed in the middle of a create');
  const sixth = story.scene('Stop and start, with the same host key');
  const last = story.scene('Terminate all');

  const firstAndSixth = async () => {
    const ready = await straight(stage, first);
    await stopAndStart(stage, sixth, ready);
    return ready.actor;
  };
  const actors = await Promise.all([
    firstAndSixth(),
    outOfStock(stage, second),
    lostAnswer(stage, third),
    quotaWall(stage, fourth),
  ]);
  actors.push(await killedWorker(stage, fifth));
  await terminateAll(stage, last, actors);
}

async function straight(stage: Stage, scene: Scene): Promise<Ready> {
  const actor = new Actor(stage, 'straight');
  const began = Date.now();
  scene.tell('Asked for one A10 at us-west-1, port 443 open.', began);
  await actor.provision([['us-west-1', 'gpu_1x_a10']]);
  const view = await actor.reach('ready', scene);
  scene.tell(`Ready in ${formatMs(Date.now() - began)}. Its user logs in:`);
  await actor.login(view, scene);
  scene.end();
  return { actor, view };
}

async function outOfStock(stage: Stage, scene: Scene): Promise<Actor> {
  const { control } = stage.cloud;
  const instanceType = 'gpu_8x_h100_sxm5';
  for (const location of ['us-west-1', 'us-east-1']) await control.setStock({ location, instanceType, count: 0 });
  const actor = new Actor(stage, 'third-offer');
  scene.tell('Three offers; the H100s of the first two are sold out.');
  await actor.provision([
    ['us-west-1', instanceType],
    ['us-east-1', instanceType],
    ['us-east-1', 'gpu_8x_a100_80gb_sxm4'],
  ]);
  const { offer } = await actor.reach('ready', scene);
  scene.tell(`Ready, with the third: ${offer?.instanceType} at ${offer?.location}.`);
  scene.end();
  return actor;
}

async function lostAnswer(stage: Stage, scene: Scene): Promise<Actor> {
  const actor = new Actor(stage, 'lost-answer');
  const match = { tag: { refId: actor.refId } };
  await stage.cloud.control.addFault({ operation: 'create', kind: 'drop-answer-after-work', match });
  scene.tell('The cloud will make the machine, and drop the line before it says so.');
  await actor.provision([['us-west-1', 'gpu_1x_a100_sxm4']]);
  const view = await actor.reach('ready', scene);
  if (!view.adopted) throw new Error(`${actor.refId} is ready, and its machine was not adopted.`);
  scene.tell('Ready: the machine was found again by its refId and adopted.');
  await actor.expectOneMachine(scene);
  scene.end();
  return actor;
}

async function quotaWall(stage: Stage, scene: Scene): Promise<Actor> {
  const { client, cloud } = stage;
  const location = 'eu-north-1';
  await cloud.control.setQuota({ location, maxInstances: 0 });
  const actor = new Actor(stage, 'quota-wall');
  scene.tell(`The account’s quota at ${location} is 0.`);
  await actor.provision([[location, 'gpu_1x_h100_pcie']]);
  const parked = await actor.reach('ready', scene).then(() => undefined, toParked);
  if (parked?.failure?.kind !== 'OutOfQuota') throw new Error(`${actor.refId} should be parked with OutOfQuota.`);
  scene.tell('It waits for a person, and holds no machine. `slipway show` says:');
  for (const line of wrap(`${parked.failure.kind}: ${parked.failure.message}`, WIDTH - MARGIN)) scene.add(line);
  await cloud.control.setQuota({ location, maxInstances: null });
  scene.tell('The quota is raised; retry.');
  await client.retry(actor.refId, { actor: 'demo' });
  await actor.reach('ready', scene);
  scene.tell('Ready.');
  scene.end();
  return actor;
}

function toParked(error: unknown): InstanceView | undefined {
  if (error instanceof SlipwayError && error.kind === 'Stuck') return error.details.view;
  throw error;
}

async function killedWorker(stage: Stage, scene: Scene): Promise<Actor> {
  const { worker, cloud } = stage;
  const actor = new Actor(stage, 'killed-worker');
  const match = { tag: { refId: actor.refId } };
  await cloud.control.addFault({ operation: 'create', kind: 'late-answer', match, delayMs: 60_000 });
  await actor.provision([['us-east-1', 'gpu_1x_a10']]);
  const ready = actor.reach('ready', scene); // looks on while nobody answers
  await Promise.race([actor.machineExists(), ready]);
  scene.tell('The machine is made, the answer not yet given: kill -9 of the worker.');
  await worker.kill();
  const pid = await worker.start();
  scene.tell(`Another worker is started (process ${pid}). That the create was lost is`);
  scene.add('noticed by its missing heartbeat, 8 s after the last.');
  await ready;
  await actor.expectOneMachine(scene);
  scene.end();
  return actor;
}

async function stopAndStart(stage: Stage, scene: Scene, { actor, view }: Ready): Promise<void> {
  const { client } = stage;
  scene.tell(`Stop, then start, the first instance; host key …${view.hostKey?.slice(-12)}`);
  await client.stop(actor.refId, { actor: 'demo' });
  await actor.reach('stopped', scene);
  await client.start(actor.refId, { actor: 'demo' });
  const again = await actor.reach('ready', scene);
  if (again.hostKey !== view.hostKey) throw new Error(`${actor.refId} has another host key: ${again.hostKey}`);
  scene.tell(`Ready, with the same host key …${again.hostKey?.slice(-12)}`);
  await actor.login(again, scene);
  scene.end();
}

async function terminateAll(stage: Stage, scene: Scene, actors: readonly Actor[]): Promise<void> {
  scene.tell(`Terminate all ${actors.length}.`);
  await Promise.all(
    actors.map(async (actor) => {
      await stage.client.terminate(actor.refId, { actor: 'demo', reason: 'the demo is over' });
      const { terminated } = await actor.ended();
      scene.tell(`${actor.refId.replace(/-[^-]*$/, '').padEnd(14)} gone, proved by: ${terminated?.by}`);
    }),
  );
  scene.end();
}
