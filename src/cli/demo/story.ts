import { cut, print } from '../terminal.js';

/** Everything is readable in this many columns, wherever it is printed. */
export const WIDTH = 80;

/**
 * Tells scenes in their order, though they happen at the same time: a scene that is not yet its turn is kept, and told
 * when the one before it has ended. Every line bears the time at which it happened.
 */
export class Story {
  private readonly scenes: Scene[] = [];
  private telling = 0;

  constructor(readonly began: number) {}

  /** The scenes are told in the order in which they are declared. */
  scene(title: string): Scene {
    const scene = new Scene(this, `${this.scenes.length + 1}. ${title}`, () => this.go());
    this.scenes.push(scene);
    return scene;
  }

  /** Tells all that was kept: nothing more is to come of the scenes that are not over. */
  giveUp(): void {
    for (const scene of this.scenes.slice(this.telling)) scene.flush();
    this.telling = this.scenes.length;
  }

  private go(): void {
    for (;;) {
      const scene = this.scenes[this.telling];
      scene?.flush();
      if (!scene?.isOver) return;
      this.telling += 1;
    }
  }
}

export class Scene {
  isOver = false;
  private kept: string[];
  private isEmpty = true;

  constructor(
    private readonly story: Story,
    title: string,
    private readonly changed: () => void,
  ) {
    this.kept = ['', title];
  }

  /** One line, at the time it happened; now, if nobody says. */
  tell(text: string, at = Date.now()): void {
    const seconds = (Math.max(0, at - this.story.began) / 1000).toFixed(1).padStart(6);
    this.kept.push(cut(`${seconds}s  ${text}`, WIDTH));
    this.isEmpty = false;
    this.changed();
  }

  /** More about the line before. */
  add(text: string): void {
    this.kept.push(cut(`         ${text}`, WIDTH));
    this.changed();
  }

  end(): void {
    this.isOver = true;
    this.changed();
  }

  /** A title without a line would be a promise. */
  flush(): void {
    if (this.isEmpty) return;
    for (const line of this.kept) print(line);
    this.kept = [];
  }
}
