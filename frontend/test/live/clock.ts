// Time that moves by hand.

interface Timer {
  at: number;
  run: () => void;
}

/** Takes the place of the platform's timers until it is put away. */
export class Clock {
  readonly #timers = new Map<number, Timer>();
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  #now = 0;
  #next = 1;

  constructor() {
    const set = (run: () => void, after = 0) => {
      this.#timers.set(this.#next, { at: this.#now + after, run });
      return this.#next++;
    };
    globalThis.setTimeout = set as unknown as typeof setTimeout;
    globalThis.clearTimeout = ((id: number) => this.#timers.delete(id)) as typeof clearTimeout;
  }

  putAway(): void {
    Object.assign(globalThis, this.#real);
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Lets so many milliseconds pass, and everything happen that is due by then. */
  async pass(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await settled();
    for (let due = this.#due(until); due; due = this.#due(until)) {
      const [id, timer] = due;
      this.#timers.delete(id);
      this.#now = timer.at;
      timer.run();
      await settled();
    }
    this.#now = until;
  }

  #due(until: number): [number, Timer] | undefined {
    const due = [...this.#timers].filter(([, timer]) => timer.at <= until);
    return due.sort(([, a], [, b]) => a.at - b.at)[0];
  }
}

/** Once all promises that can be kept are. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
